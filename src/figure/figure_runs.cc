// See figure_runs.h.
#include "figure/figure_runs.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "recipe/run_identity.h"
#include "recipe/sweep_table.h"
#include "recipe/used_values.h"
#include "report/runs.h"
#include "tacet/error.h"
#include "tacet/recipe.h"

namespace tacet {
namespace {

size_t add_point(std::vector<Point>& points, Point point) {
  for (size_t k = 0; k < points.size(); ++k)
    if (points[k].digest == point.digest) return k;
  points.push_back(std::move(point));
  return points.size() - 1;
}

// Adds the runs of a curve, at the k-th value of the parameter where the figure has one.
void add_group(FigurePlan& plan, const Figure& figure, size_t index, std::optional<size_t> k, int workers) {
  const FigureCurve& curve = figure.curves[index];
  FigureGroup group{index, {}, {}, curve.runs};
  if (k) group.value = figure.values[*k];
  if (curve.runs.empty()) {
    std::vector<std::string> sets = curve.sets;
    if (k) sets.push_back(figure.parameter + "=" + to_toml(*group.value));
    if (k && !curve.tuned.empty()) sets.insert(sets.end(), curve.tuned[*k].begin(), curve.tuned[*k].end());
    std::vector<int64_t> seeds;
    if (figure.seeds.empty())
      seeds.push_back(load_recipe(curve.recipe, sets).run.integer("seed"));
    else
      seeds = seeds_of(figure.seeds);
    for (const int64_t seed : seeds) {
      std::vector<std::string> own = sets;
      own.push_back("run.seed=" + std::to_string(seed));
      const std::string name = std::filesystem::path(curve.recipe).stem().string() + ",seed=" + std::to_string(seed);
      group.points.push_back(add_point(plan.points, point_of(load_recipe(curve.recipe, own), workers, {}, name)));
    }
  }
  plan.groups.push_back(std::move(group));
}

std::map<std::string, std::string> values_of_run(const std::string& folder) {
  std::map<std::string, std::string> out;
  const Recipe recipe = load_recipe(folder + "/recipe.toml");
  for (const Used& used : used_values(recipe))
    if (const auto identity = identity_of(used, recipe)) out[used.table + "." + used.key] = *identity;
  out.erase("run.seed");
  return out;
}

}  // namespace

std::string group_name(const Figure& figure, const FigureGroup& group) {
  const std::string& label = figure.curves[group.curve].label;
  return group.value ? label + " at " + figure.parameter + " = " + to_toml(*group.value) : label;
}

FigurePlan plan_figure(const Figure& figure, int workers) {
  FigurePlan plan;
  for (size_t k = 0; k < figure.curves.size(); ++k) {
    try {
      if (figure.values.empty()) add_group(plan, figure, k, {}, workers);
      for (size_t value = 0; value < figure.values.size(); ++value) add_group(plan, figure, k, value, workers);
    } catch (const UserError& error) {
      throw UserError(figure.curves[k].place + ": the curve " + figure.curves[k].label + " is no run: " + error.what());
    }
  }
  return plan;
}

std::vector<std::string> find_runs(const Figure& figure, FigurePlan& plan, const SweepFolder& folder) {
  std::vector<std::string> notes;
  for (FigureGroup& group : plan.groups) {
    for (const std::string& run : group.runs)  // those that the curve names
      if (const std::string status = text(read_run(run).summary, "status", "unknown"); status != "done")
        notes.push_back(
            fmt::format("{}: {} is {}, not done, and is drawn as far as it is", group_name(figure, group), run, status));
    for (const size_t k : group.points) {
      const Point& point = plan.points[k];
      const PointState state = state_of(folder, point);
      if (state.kind == PointState::Kind::done)
        group.runs.push_back(folder.run(point));
      else if (state.kind == PointState::Kind::diverged)
        ++group.diverged;
      else
        throw UserError("the figure can't be drawn: " + point.name + " is " + state_name(state.kind) +
                        (state.reason.empty() ? "" : ": " + state.reason));
    }
    if (group.diverged > 0)
      notes.push_back(
          fmt::format("{}: {} of {} runs diverged", group_name(figure, group), group.diverged, group.points.size()));
  }
  return notes;
}

void require_alike(const Figure& figure, const FigurePlan& plan) {
  for (const FigureGroup& group : plan.groups) {
    if (!group.points.empty()) continue;  // they were made alike
    const auto first = values_of_run(group.runs.front());
    for (const std::string& run : group.runs) {
      const auto other = values_of_run(run);
      if (first == other) continue;
      for (const auto* side : {&first, &other})
        for (const auto& [key, value] : *side) {
          const auto was = first.find(key), is = other.find(key);
          const std::string a = was == first.end() ? "absent" : was->second, b = is == other.end() ? "absent" : is->second;
          if (a != b)
            throw UserError(figure.curves[group.curve].place + ": runs of one curve must differ in run.seed only, but " +
                            key + " is " + a + " in " + group.runs.front() + " and " + b + " in " + run);
        }
    }
  }
}

}  // namespace tacet
