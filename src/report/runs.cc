// Reads run folders. The files are small next to a training run, so each is read whole; no locking against the run that
// writes them, since a writer only appends lines to metrics.jsonl and replaces summary.json by a rename.
#include "report/runs.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>

#include "base/digest.h"
#include "base/files.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// nlohmann's messages start with "[json.exception.parse_error.101] "; the reader of an error wants what follows.
std::string reason(const json::exception& e) {
  std::string what = e.what();
  size_t end = what.find("] ");
  return end == std::string::npos ? what : what.substr(end + 2);
}

// Returns digits that tell the files of a data record from others, by the digests that it has of them, or by its text where
// that is no record.
std::string mark_of_data(const std::string& text) {
  const json record = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool is_record = record.is_object() && record.contains("files");
  if (is_record && record["files"].empty()) return "";
  Digest digest;
  digest.add(is_record ? record["files"].dump() : text);
  return digest.hex().substr(0, 12);
}

// Drops what a resumed run does again: everything at or after `iteration`.
void rewind(std::vector<json>& lines, double iteration) {
  while (!lines.empty() && number(lines.back(), "iteration") >= iteration) lines.pop_back();
}

void add_line(Run& run, json line, const std::string& place) {
  if (!line.is_object()) throw UserError(fmt::format("{}: must be a JSON object, got {}", place, line.type_name()));
  auto event = line.find("event");
  if (event == line.end() || !event->is_string()) {
    throw UserError(
        fmt::format("{}: must have text \"event\", got {}", place, event == line.end() ? "none" : event->dump()));
  }
  if (*event == "round") {
    if (!run.rounds.empty() && number(line, "iteration") <= number(run.rounds.back(), "iteration")) {
      double iteration = number(line, "iteration");
      rewind(run.rounds, iteration);
      rewind(run.evals, iteration);
      rewind(run.epochs, iteration);
      rewind(run.gradients, iteration);
      rewind(run.train_set, iteration);
      rewind(run.pairs, iteration);
    }
    run.rounds.push_back(std::move(line));
  } else if (*event == "eval" || *event == "test") {
    run.evals.push_back(std::move(line));
  } else if (*event == "epoch") {
    run.epochs.push_back(std::move(line));
  } else if (*event == "gradient") {
    run.gradients.push_back(std::move(line));
  } else if (*event == "smoothness") {
    run.pairs.push_back(std::move(line));
  } else if (*event == "train") {
    run.train_set.push_back(std::move(line));
  }
}

void read_metrics(Run& run, const fs::path& path) {
  std::string content = read_file(path.string());
  size_t begin = 0;
  for (int row = 1; begin < content.size(); ++row) {
    size_t end = content.find('\n', begin);
    bool whole = end != std::string::npos;
    std::string_view line(content.data() + begin, (whole ? end : content.size()) - begin);
    begin = whole ? end + 1 : content.size();
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    std::string place = fmt::format("{}:{}", path.string(), row);
    json value;
    try {
      value = json::parse(line);
    } catch (const json::exception& e) {
      if (!whole) return;
      throw UserError(fmt::format("{}: must be one JSON object, got {}", place, reason(e)));
    }
    add_line(run, std::move(value), place);
  }
}

// The last `parts` components of a folder's absolute path, joined by '/'.
std::string tail(const std::string& folder, size_t parts) {
  fs::path path = fs::absolute(folder).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  std::vector<std::string> names;
  for (const fs::path& part : path.relative_path()) names.push_back(part.string());
  std::string name;
  for (size_t k = names.size() - std::min(parts, names.size()); k < names.size(); ++k) {
    name += (name.empty() ? "" : "/") + names[k];
  }
  return name;
}

size_t depth(const std::string& folder) {
  fs::path path = fs::absolute(folder).lexically_normal();
  return static_cast<size_t>(std::distance(path.begin(), path.end()));
}

}  // namespace

Run read_run(const std::string& folder) {
  fs::path root(folder);
  std::error_code ignored;
  if (!fs::exists(root, ignored)) throw UserError(fmt::format("{}: must be a run folder, got no such folder", folder));
  if (!fs::is_directory(root, ignored)) throw UserError(fmt::format("{}: must be a run folder, got a file", folder));
  bool has_metrics = fs::exists(root / "metrics.jsonl", ignored);
  bool has_summary = fs::exists(root / "summary.json", ignored);
  if (!has_metrics && !has_summary) {
    throw UserError(fmt::format("{}: must be a run folder, got one without metrics.jsonl and summary.json", folder));
  }
  Run run;
  run.folder = folder;
  run.name = tail(folder, 1);
  run.summary = json::object();
  if (has_summary) {
    fs::path path = root / "summary.json";
    try {
      run.summary = json::parse(read_file(path.string()));
    } catch (const json::exception& e) {
      throw UserError(fmt::format("{}: must be a JSON object, got {}", path.string(), reason(e)));
    }
    if (!run.summary.is_object()) {
      throw UserError(fmt::format("{}: must be a JSON object, got {}", path.string(), run.summary.type_name()));
    }
  }
  if (has_metrics) read_metrics(run, root / "metrics.jsonl");
  if (fs::exists(root / "recipe.toml", ignored)) run.recipe = read_file((root / "recipe.toml").string());
  if (fs::exists(root / "data.json", ignored)) run.data = mark_of_data(read_file((root / "data.json").string()));
  return run;
}

std::vector<Run> read_runs(const std::vector<std::string>& folders) {
  return read_runs(folders, [](Run&) {});
}

std::vector<Run> read_runs(const std::vector<std::string>& folders, const std::function<void(Run&)>& each) {
  if (folders.empty()) throw UserError("run folders: must be one or more, got none");
  std::vector<Run> runs;
  for (const std::string& folder : folders) {
    runs.push_back(read_run(folder));
    each(runs.back());
  }
  size_t deepest = 1;
  for (const Run& run : runs) deepest = std::max(deepest, depth(run.folder));
  for (size_t parts = 2; parts <= deepest; ++parts) {
    std::map<std::string, int> seen;
    for (const Run& run : runs) ++seen[run.name];
    for (Run& run : runs) {
      if (seen[run.name] > 1) run.name = tail(run.folder, parts);
    }
  }
  // Names that are still alike are of one folder, given twice.
  std::map<std::string, int> seen;
  for (Run& run : runs) {
    int copy = ++seen[run.name];
    if (copy > 1) run.name += fmt::format(" ({})", copy);
  }
  return runs;
}

double number(const json& object, std::string_view key) {
  auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_number()) return std::numeric_limits<double>::quiet_NaN();
  return found->get<double>();
}

std::string text(const json& object, std::string_view key, const std::string& otherwise) {
  auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_string()) return otherwise;
  return found->get<std::string>();
}

std::string recipe_value(const std::string& recipe, std::string_view table, std::string_view key) {
  auto trim = [](std::string_view s) {
    size_t from = s.find_first_not_of(" \t\r"), to = s.find_last_not_of(" \t\r");
    return from == std::string_view::npos ? std::string_view() : s.substr(from, to - from + 1);
  };
  std::istringstream in(recipe);
  std::string line, current;
  while (std::getline(in, line)) {
    std::string_view s = trim(line);
    if (s.empty() || s[0] == '#') continue;
    if (s[0] == '[') {
      current = trim(s.substr(1, s.find(']') - 1));
      continue;
    }
    size_t equal = s.find('=');
    if (current != table || equal == std::string_view::npos || trim(s.substr(0, equal)) != key) continue;
    std::string_view value = trim(s.substr(equal + 1));
    if (!value.empty() && (value[0] == '"' || value[0] == '\'')) {
      return std::string(value.substr(1, value.find(value[0], 1) - 1));
    }
    return std::string(trim(value.substr(0, value.find('#'))));
  }
  return "";
}

}  // namespace tacet
