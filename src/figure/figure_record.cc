// See figure_record.h.
#include "figure/figure_record.h"

#include <cmath>
#include <filesystem>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/utf8.h"
#include "figure/figure_data.h"
#include "report/facts.h"
#include "sweep/results.h"
#include "tacet/error.h"

namespace tacet {
namespace {

std::string value_text(const std::optional<Value>& value) { return value ? csv_cell(to_toml(*value)) : ""; }

void add_points(std::string& out, const Figure& figure, const FigureGroup& group, const Run& run) {
  const std::string begin = csv_cell(figure.curves[group.curve].label) + "," + value_text(group.value) + "," +
                            csv_cell(recipe_value(run.recipe, "run", "seed")) + "," + csv_cell(figure.y) + ",";
  const FigurePoints points = points_of(figure, run);
  for (size_t i = 0; i < points.x.size(); ++i) {
    out += fmt::format("{}{},{}", begin, points.x[i], points.y[i]);
    for (const double place : points.over[i]) out += "," + (std::isfinite(place) ? fmt::format("{}", place) : "");
    out += "\n";
  }
}

}  // namespace

std::string figure_points_csv(const Figure& figure, const FigurePlan& plan, const std::vector<std::vector<Run>>& runs) {
  std::vector<Figure> figures = {figure};
  for (const std::string& key : figure.also) figures.push_back(with_key(figure, key));
  std::string out = "curve,value,seed,key,x,y";
  for (const std::string& axis : figure.over) out += "," + axis;
  out += "\n";
  for (const Figure& one : figures)
    for (size_t k = 0; k < plan.groups.size(); ++k)
      for (const Run& run : runs[k]) add_points(out, one, plan.groups[k], run);
  return out;
}

std::string figure_facts(const Figure& figure, const FigurePlan& plan, const std::vector<std::string>& notes,
                         const std::vector<std::vector<Run>>& runs, const std::vector<Run>& grid) {
  std::set<std::string> folders, versions;
  const auto seconds_of_new = [&](const std::vector<Run>& some) {
    double seconds = 0;
    for (const Run& run : some) {
      if (!folders.insert(run.folder).second) continue;
      seconds += or_else(number(run.summary, "seconds"), 0);
      if (run.summary.contains("versions")) versions.insert(text(run.summary["versions"], "tacet", "unknown"));
    }
    return seconds;
  };
  double seconds = 0;
  for (const std::vector<Run>& group : runs) seconds += seconds_of_new(group);
  const size_t drawn = folders.size();
  const double grid_seconds = seconds_of_new(grid);
  nlohmann::ordered_json diverged = nlohmann::ordered_json::array();
  for (const FigureGroup& group : plan.groups)
    if (group.diverged > 0)
      diverged.push_back(
          {{"curve", figure.curves[group.curve].label}, {"value", value_text(group.value)}, {"runs", group.diverged}});
  const nlohmann::ordered_json facts = {
      {"figure", std::filesystem::path(figure.source).stem().string()},
      {"title", figure.title},
      {"kind", figure.kind},
      {"x", figure.x},
      {"y", figure.y},
      {"also", figure.also},
      {"over", figure.over},
      {"target", figure.target ? nlohmann::ordered_json(*figure.target) : nlohmann::ordered_json(nullptr)},
      {"parameter", figure.parameter},
      {"notes", notes},
      {"runs", drawn},
      {"training_seconds", std::round(seconds)},
      {"grid_runs", folders.size() - drawn},
      {"grid_seconds", std::round(grid_seconds)},
      {"diverged", diverged},
      {"versions", versions}};
  return facts.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void require_same_figure(const Figure& figure, const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;
  const nlohmann::json facts = nlohmann::json::parse(read_file(path), nullptr, false);
  const std::vector<std::pair<std::string, std::string>> own = {
      {"title", figure.title}, {"kind", figure.kind}, {"x", figure.x}, {"y", figure.y}};
  for (const auto& [key, is] : own)
    if (const std::string was = text(facts, key, is); was != is)
      throw UserError("--out: " + path + " is of another figure: figure." + key + " is " + in_quotes(was) +
                      " there, and this one has " + in_quotes(is) +
                      "; give another --out, or remove that file to draw this one over it");
}

}  // namespace tacet
