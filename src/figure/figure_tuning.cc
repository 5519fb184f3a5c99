// See figure_tuning.h.
#include "figure/figure_tuning.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "figure/figure_runs.h"
#include "recipe/sweep_table.h"
#include "sweep/results.h"
#include "tacet/error.h"
#include "tacet/recipe.h"

namespace tacet {
namespace {

std::string first_seed(const Figure& figure, const FigureCurve& curve) {
  if (figure.seeds.empty()) return std::to_string(load_recipe(curve.recipe, curve.sets).run.integer("seed"));
  return std::to_string(seeds_of(figure.seeds).front());
}

// Throws UserError for a point of which it is not known how well it does.
void require_ended(const SweepPlan& plan, const SweepFolder& folder, const std::string& label) {
  for (const Point& point : plan.points) {
    const PointState state = state_of(folder, point);
    if (state.kind == PointState::Kind::done || state.kind == PointState::Kind::diverged) continue;
    throw UserError("the curve " + label + " can't be tuned: " + point.name + " is " + state_name(state.kind) +
                    (state.reason.empty() ? "" : ": " + state.reason));
  }
}

// Throws UserError where a grid has the figure's parameter, whose values the figure sets itself.
void require_other_than_parameter(const Figure& figure, const SweepPlan& plan) {
  for (const Point& point : plan.points)
    for (const Setting& setting : point.settings)
      if (setting.key == figure.parameter)
        throw UserError("it must have other keys than figure.parameter, " + figure.parameter +
                        ", which takes figure.values");
}

// Returns the sets of the curve alone. Those of the figure are for other curves too, and a grid may take their place.
std::span<const std::string> own_sets(const FigureCurve& curve) {
  const std::span<const std::string> all = curve.sets;
  return all.subspan(std::min(curve.shared_sets, all.size()));
}

// Returns "celgc", or "celgc at algorithm.interval = 4" where the value is tuned by itself.
std::string tuned_name(const Figure& figure, const CurveTuning& tuning) {
  FigureGroup group;
  group.curve = tuning.curve;
  if (tuning.value) group.value = figure.values[*tuning.value];
  return group_name(figure, group);
}

// Returns the settings of the best point as sets, "algorithm.eta=0.3"; those of the first one where all have diverged.
std::vector<std::string> best_sets(const SweepResults& results) {
  std::vector<std::string> out;
  for (const Setting& setting : results.groups[results.best.value_or(0)].settings)
    out.push_back(setting.key + "=" + setting.value);
  return out;
}

// Returns the number that a value is in TOML; NaN for a word.
double number_of(const std::string& value) {
  double number = 0;
  const char* const last = value.data() + value.size();
  const auto [end, error] = std::from_chars(value.data(), last, number);
  return error != std::errc() || end != last ? std::numeric_limits<double>::quiet_NaN() : number;
}

// Returns "lower" or "upper" where the best value of a key stands at that end of its values; empty elsewhere, and where it
// is a word, infinite, or the only number.
std::string end_of_grid(const SweepResults& results, const Setting& best) {
  const double own = number_of(best.value);
  double least = own, most = own;
  for (const SeedGroup& group : results.groups)
    for (const Setting& setting : group.settings) {
      if (setting.key != best.key) continue;
      least = std::fmin(least, number_of(setting.value));  // fmin and fmax leave words out
      most = std::fmax(most, number_of(setting.value));
    }
  if (!std::isfinite(own) || !(least < most)) return "";
  return own == least ? "lower" : own == most ? "upper" : "";
}

// Returns the clause about keys whose best value stands at an end of their grid, beyond which a better one may lie.
std::string ends_text(const SweepResults& results) {
  std::string out;
  for (const Setting& best : results.groups[*results.best].settings)
    if (const std::string end = end_of_grid(results, best); !end.empty())
      out += fmt::format("{} {} is at the {} end of its grid", out.empty() ? ";" : ",", best.key, end);
  return out;
}

// Returns the end of the line about a grid: how its values were chosen, how many points have diverged, and which values
// stand at an end of the grid.
std::string choice_text(const SweepResults& results) {
  const size_t count = results.points.size();
  const auto diverged = std::count_if(results.points.begin(), results.points.end(), [](const PointResult& point) {
    return point.state.kind == PointState::Kind::diverged;
  });
  if (!results.best) return fmt::format("is the first of {}, all of which diverged", count);
  return fmt::format("is the best of {} by {}", count, results.figure) +
         (diverged > 0 ? fmt::format(", of which {} diverged", diverged) : "") + ends_text(results);
}

}  // namespace

std::vector<CurveTuning> plan_tuning(const Figure& figure, int workers) {
  std::vector<CurveTuning> out;
  for (size_t k = 0; k < figure.curves.size(); ++k) {
    const FigureCurve& curve = figure.curves[k];
    if (curve.grids.empty()) continue;
    const auto add = [&](std::optional<size_t> value, const SweepRequest& request) {
      SweepPlan plan = plan_sweep(request);
      require_other_than_parameter(figure, plan);
      require_sets_used(request, plan, own_sets(curve));
      out.push_back({k, value, std::move(plan)});
    };
    try {
      SweepRequest request;
      request.recipe = curve.recipe;
      request.sets = curve.sets;
      request.grids = curve.grids;
      request.seeds = first_seed(figure, curve);
      request.best = figure.best;
      request.workers = workers;
      request.of_figure = true;
      if (!figure.tunes_each) add({}, request);
      for (size_t value = 0; figure.tunes_each && value < figure.values.size(); ++value) {
        request.sets = curve.sets;
        request.sets.push_back(figure.parameter + "=" + to_toml(figure.values[value]));
        add(value, request);
      }
    } catch (const UserError& error) {
      throw UserError(curve.place + ": the grid of the curve " + curve.label + " is wrong: " + error.what());
    }
  }
  return out;
}

std::vector<std::string> tuning_notes(const Figure& figure, const std::vector<CurveTuning>& tunings) {
  std::vector<std::string> out;
  for (const CurveTuning& tuning : tunings)
    for (const std::string& note : tuning.plan.notes) out.push_back(tuned_name(figure, tuning) + ": " + note);
  return out;
}

std::vector<Point> tuning_points(const std::vector<CurveTuning>& tunings) {
  std::vector<Point> out;
  for (const CurveTuning& tuning : tunings)
    for (const Point& point : tuning.plan.points)
      if (std::none_of(out.begin(), out.end(), [&](const Point& other) { return other.digest == point.digest; }))
        out.push_back(point);
  return out;
}

std::vector<std::string> grid_runs(const std::vector<CurveTuning>& tunings, const SweepFolder& folder) {
  std::vector<std::string> out;
  for (const Point& point : tuning_points(tunings))
    if (state_of(folder, point).kind == PointState::Kind::done) out.push_back(folder.run(point));
  return out;
}

std::vector<std::string> tune(Figure& figure, const std::vector<CurveTuning>& tunings, const SweepFolder& folder) {
  std::vector<std::string> notes;
  for (const CurveTuning& tuning : tunings) {
    FigureCurve& curve = figure.curves[tuning.curve];
    const std::string name = tuned_name(figure, tuning);
    require_ended(tuning.plan, folder, name);
    const SweepResults results = results_of(tuning.plan, folder);
    const std::vector<std::string> best = best_sets(results);
    if (tuning.value)
      curve.tuned.push_back(best);
    else
      curve.sets.insert(curve.sets.end(), best.begin(), best.end());
    curve.grids.clear();
    notes.push_back(fmt::format("{}: {} {}", name, fmt::join(best, " "), choice_text(results)));
  }
  return notes;
}

}  // namespace tacet
