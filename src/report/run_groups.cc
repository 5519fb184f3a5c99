// See run_groups.h.
#include "report/run_groups.h"

#include <cmath>
#include <set>
#include <sstream>

#include <fmt/format.h>

namespace tacet {
namespace {

using Settings = std::map<std::string, std::string>;

// Files whose folders may differ between machines.
const std::set<std::string> kFiles = {"data.vectors", "data.subwords", "model.init", "model.file"};

std::string trimmed(const std::string& text) {
  const size_t from = text.find_first_not_of(" \t\r"), to = text.find_last_not_of(" \t\r");
  return from == std::string::npos ? "" : text.substr(from, to - from + 1);
}

// Returns the keys whose values differ between groups that have them.
std::set<std::string> differing(const std::vector<Settings>& all) {
  std::map<std::string, std::set<std::string>> values;
  for (const Settings& settings : all)
    for (const auto& [key, value] : settings) values[key].insert(value);
  std::set<std::string> out;
  for (const auto& [key, found] : values)
    if (found.size() > 1) out.insert(key);
  return out;
}

std::string unquoted_value(const std::string& value) {
  return value.size() > 1 && value.front() == '"' && value.back() == '"' ? value.substr(1, value.size() - 2) : value;
}

// Returns "celgc, interval = 8".
std::string label_of(const Settings& settings) {
  std::string names, others;
  for (const auto& [key, value] : settings) {
    const std::string last = key.substr(key.find('.') + 1);
    std::string& out = last == "name" ? names : others;
    out += (out.empty() ? "" : ", ") + (last == "name" ? unquoted_value(value) : last + " = " + unquoted_value(value));
  }
  return names + (names.empty() || others.empty() ? "" : ", ") + others;
}

std::string seed_of(const Run& run) { return recipe_value(run.recipe, "run", "seed"); }

// Returns the settings by which each run is grouped; none for a run without a recipe. Those with a seed that comes twice
// have their number of workers too.
std::vector<Settings> settings_of_runs(const std::vector<Run>& runs) {
  std::vector<Settings> out;
  std::map<Settings, std::set<std::string>> seeds;
  std::set<Settings> repeated;
  for (const Run& run : runs) {
    out.push_back(settings_of(run.recipe));
    Settings& own = out.back();
    if (!own.empty() && !run.data.empty()) own["data.files"] = "\"" + run.data + "\"";
    if (!seeds[own].insert(seed_of(run)).second) repeated.insert(own);
  }
  for (size_t k = 0; k < runs.size(); ++k) {
    const double workers = number(runs[k].summary, "workers");
    if (!out[k].empty() && repeated.count(out[k]) != 0 && std::isfinite(workers))
      out[k]["run.workers"] = fmt::format("{:.0f}", workers);
  }
  return out;
}

void make_distinct(std::vector<RunGroup>& groups) {
  std::map<std::string, int> seen;
  for (RunGroup& group : groups)
    if (const int copy = ++seen[group.label]; copy > 1) group.label += " (" + std::to_string(copy) + ")";
}

}  // namespace

std::map<std::string, std::string> settings_of(const std::string& recipe) {
  Settings out;
  std::istringstream in(recipe);
  std::string line, table;
  while (std::getline(in, line)) {
    line = trimmed(line);
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      table = trimmed(line.substr(1, line.find(']') - 1));
      continue;
    }
    const size_t equal = line.find('=');
    if (equal == std::string::npos) continue;
    const std::string key = table + "." + trimmed(line.substr(0, equal));
    const std::string value = trimmed(line.substr(equal + 1));
    out[key] = kFiles.count(key) ? "\"" + value.substr(value.find_last_of("/\"", value.size() - 2) + 1) : value;
  }
  for (const char* key : {"run.seed", "data.root"}) out.erase(key);
  return out;
}

std::vector<RunGroup> groups_of(const std::vector<Run>& runs) {
  std::vector<RunGroup> out;
  std::vector<Settings> all;
  std::vector<std::set<std::string>> seeds;  // of each group
  const std::vector<Settings> settings = settings_of_runs(runs);
  for (size_t k = 0; k < runs.size(); ++k) {
    size_t g = 0;
    while (g < out.size() && (settings[k].empty() || all[g] != settings[k] || seeds[g].count(seed_of(runs[k])) != 0)) ++g;
    if (g == out.size()) {
      all.push_back(settings[k]);
      seeds.emplace_back();
      out.push_back({"", {}, {}});
    }
    out[g].runs.push_back(k);
    seeds[g].insert(seed_of(runs[k]));
  }
  const std::set<std::string> keys = differing(all);
  for (size_t g = 0; g < out.size(); ++g) {
    for (const auto& [key, value] : all[g])
      if (keys.count(key) != 0) out[g].settings[key] = value;
    out[g].label = label_of(out[g].settings);
    if (out[g].label.empty())
      out[g].label = out.size() == 1 && out[g].runs.size() > 1 ? "all runs" : runs[out[g].runs[0]].name;
  }
  make_distinct(out);
  return out;
}

}  // namespace tacet
