// See results.h.
#include "sweep/results.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/merit.h"
#include "recipe/sweep_table.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

void add_figures(std::map<std::string, double>& figures, const json& summary, const char* part, const std::string& prefix) {
  const auto found = summary.find(part);
  if (found == summary.end() || !found->is_object()) return;
  for (const auto& [key, value] : found->items())
    if (value.is_number() && std::isfinite(value.get<double>())) figures[prefix + key] = value.get<double>();
}

PointResult result_of(const Point& point, const SweepFolder& folder) {
  PointResult out{&point, state_of(folder, point), folder.run(point), {}};
  std::error_code error;
  const std::string path = out.folder + "/summary.json";
  if (!std::filesystem::exists(path, error)) return out;
  const json summary = json::parse(read_file(path), nullptr, false);
  if (!summary.is_object()) return out;
  add_figures(out.figures, summary, "final", "");
  add_figures(out.figures, summary, "best", "best.");
  if (const auto seconds = summary.find("seconds"); seconds != summary.end() && seconds->is_number())
    out.figures["seconds"] = seconds->get<double>();
  return out;
}

std::vector<Setting> without_seed(std::vector<Setting> settings) {
  std::erase_if(settings, [](const Setting& setting) { return setting.key == "run.seed"; });
  return settings;
}

double figure_of(const PointResult& result, const std::string& figure) {
  const auto found = result.figures.find(figure);
  return result.state.kind == PointState::Kind::done && found != result.figures.end() ? found->second : kNone;
}

void average(SeedGroup& group, const std::string& figure) {
  double sum = 0, squares = 0;
  for (const PointResult* run : group.runs) {
    group.done += run->state.kind == PointState::Kind::done;
    if (const double value = figure_of(*run, figure); std::isfinite(value)) sum += value, ++group.count;
  }
  const auto n = static_cast<double>(group.count);
  group.mean = group.count > 0 ? sum / n : kNone;
  for (const PointResult* run : group.runs)
    if (const double value = figure_of(*run, figure); std::isfinite(value)) squares += std::pow(value - group.mean, 2);
  group.deviation = group.count > 1 ? std::sqrt(squares / (n - 1)) : kNone;
}

std::optional<size_t> best_of(const SweepResults& results) {
  const auto complete = [](const SeedGroup& group) { return group.count == group.runs.size(); };
  const bool some = std::any_of(results.groups.begin(), results.groups.end(), complete);
  const double sign = higher_is_better(results.figure) ? -1 : 1;
  std::optional<size_t> best;
  for (size_t k = 0; k < results.groups.size(); ++k) {
    const SeedGroup& group = results.groups[k];
    if (group.count == 0 || (some && !complete(group))) continue;
    if (!best || sign * group.mean < sign * results.groups[*best].mean) best = k;
  }
  return best;
}

void require_figure(const SweepResults& results) {
  std::set<std::string> keys;
  bool done = false;
  for (const PointResult& point : results.points) {
    if (point.state.kind != PointState::Kind::done) continue;
    done = true;
    for (const auto& [key, value] : point.figures) keys.insert(key);
  }
  if (!done || keys.count(results.figure) != 0) return;
  std::string all;
  for (const std::string& figure : sweep_figures())
    if (keys.count(figure) != 0) all += (all.empty() ? "" : ", ") + figure;
  throw UserError("the figure that decides must be one that the runs have (" + all + "), got " + results.figure +
                  "; the runs are kept: choose one of these with --key, or with best in [sweep] or [figure]");
}

std::string number_text(double value) { return std::isfinite(value) ? fmt::format("{:.6g}", value) : "-"; }

std::string unquoted(const std::string& value) {
  return value.size() > 1 && value.front() == '"' && value.back() == '"' ? value.substr(1, value.size() - 2) : value;
}

std::string value_of(const std::vector<Setting>& settings, const std::string& key) {
  for (const Setting& setting : settings)
    if (setting.key == key) return unquoted(setting.value);
  return "";
}

json settings_json(const std::vector<Setting>& settings) {
  json out = json::object();
  for (const Setting& setting : settings) {
    const json value = json::parse(setting.value, nullptr, false);
    out[setting.key] = value.is_discarded() ? json(setting.value) : value;
  }
  return out;
}

json finite_or_null(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json group_json(const SeedGroup& group) {
  json runs = json::array();
  for (const PointResult* run : group.runs) runs.push_back(run->point->name);
  return {{"settings", settings_json(group.settings)},
          {"runs", runs},
          {"done", group.done},
          {"n", group.count},
          {"mean", finite_or_null(group.mean)},
          {"deviation", finite_or_null(group.deviation)}};
}

json results_json(const SweepPlan& plan, const SweepResults& results) {
  json points = json::array(), groups = json::array();
  for (const PointResult& point : results.points)
    points.push_back({{"point", point.point->name},
                      {"settings", settings_json(point.point->settings)},
                      {"seed", point.point->seed},
                      {"state", state_name(point.state.kind)},
                      {"reason", point.state.reason},
                      {"figures", point.figures}});
  for (const SeedGroup& group : results.groups) groups.push_back(group_json(group));
  return {{"recipe", plan.recipe},
          {"figure", results.figure},
          {"points", points},
          {"groups", groups},
          {"best", results.best ? group_json(results.groups[*results.best]) : json(nullptr)}};
}

std::string csv_text(const SweepPlan& plan, const SweepResults& results) {
  std::set<std::string> keys;
  for (const PointResult& point : results.points)
    for (const auto& [key, value] : point.figures) keys.insert(key);
  std::string out = "point";
  for (const std::string& axis : plan.axes) out += "," + csv_cell(axis);
  out += ",seed,state,reason";
  for (const std::string& key : keys) out += "," + csv_cell(key);
  out += "\n";
  for (const PointResult& point : results.points) {
    out += csv_cell(point.point->name);
    for (const std::string& axis : plan.axes) out += "," + csv_cell(value_of(point.point->settings, axis));
    out += "," + std::to_string(point.point->seed) + "," + state_name(point.state.kind) + "," + csv_cell(point.state.reason);
    for (const std::string& key : keys) {
      const auto found = point.figures.find(key);
      out += "," + (found == point.figures.end() ? "" : fmt::format("{}", found->second));
    }
    out += "\n";
  }
  return out;
}

}  // namespace

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

SweepResults results_of(const SweepPlan& plan, const SweepFolder& folder) {
  SweepResults out;
  out.figure = plan.best;
  out.points.reserve(plan.points.size());
  for (const Point& point : plan.points) out.points.push_back(result_of(point, folder));
  for (const PointResult& point : out.points) {
    const std::vector<Setting> settings = without_seed(point.point->settings);
    auto group =
        std::find_if(out.groups.begin(), out.groups.end(), [&](const SeedGroup& g) { return g.settings == settings; });
    if (group == out.groups.end()) group = out.groups.insert(out.groups.end(), SeedGroup{settings, {}});
    group->runs.push_back(&point);
  }
  for (SeedGroup& group : out.groups) average(group, out.figure);
  require_figure(out);
  out.best = best_of(out);
  return out;
}

Table results_table(const SweepPlan& plan, const SweepResults& results) {
  Table table;
  const auto column = [&](const std::string& head, const std::string& help, bool words) -> Column& {
    table.columns.push_back({head, help, {}, words, {}});
    return table.columns.back();
  };
  for (const std::string& axis : plan.axes) {
    Column& values = column(axis, "its value", true);
    for (const SeedGroup& group : results.groups) {
      const std::string value = value_of(group.settings, axis);
      values.cells.push_back(value.empty() ? "-" : value);
    }
  }
  if (plan.axes.empty()) column("runs", "", true).cells.push_back("all");
  Column& mean = column(results.figure, "mean over the seeds", false);
  for (const SeedGroup& group : results.groups) mean.cells.push_back(number_text(group.mean));
  for (size_t k = 0; k < results.groups.size(); ++k) mean.best.push_back(results.best == k);
  Column& deviation = column("±", "standard deviation over the seeds", false);
  for (const SeedGroup& group : results.groups) deviation.cells.push_back(number_text(group.deviation));
  Column& n = column("n", "runs that are done, of how many", false);
  for (const SeedGroup& group : results.groups)
    n.cells.push_back(group.count == group.runs.size() ? std::to_string(group.count)
                                                       : fmt::format("{} of {}", group.count, group.runs.size()));
  return table;
}

void write_results(const SweepPlan& plan, const SweepResults& results, const SweepFolder& folder) {
  write_shared(folder.path + "/sweep.csv", csv_text(plan, results));
  write_shared(folder.path + "/sweep.json",
               results_json(plan, results).dump(1, ' ', false, json::error_handler_t::replace) + "\n");
  if (results.best) write_shared(folder.path + "/best.toml", results.groups[*results.best].runs.front()->point->recipe);
}

}  // namespace tacet
