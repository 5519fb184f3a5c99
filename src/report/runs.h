// Reading the folder that a run wrote: recipe.toml, metrics.jsonl and summary.json, as plain JSON values. A run that still
// goes on, or that was cut off, is read as far as it got. Nothing is computed or shown here.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tacet {

struct Run {
  std::string folder;                  // as the user gave it
  std::string name;                    // for people: the folder's last part, made distinct by read_runs; untrusted text
  nlohmann::json summary;              // summary.json, or an empty object when the run has not written one yet
  std::vector<nlohmann::json> rounds;  // the "round" lines of metrics.jsonl, in order
  std::vector<nlohmann::json> evals;   // the "eval" and "test" lines
  std::vector<nlohmann::json> epochs;  // the "epoch" lines
  // The "gradient" lines (run.gradient_every), and the "train" lines, which are evaluations of the training set.
  std::vector<nlohmann::json> gradients, train_set;
  std::vector<nlohmann::json> pairs;  // the "smoothness" lines (run.smoothness_every)
  std::string recipe;                 // text of recipe.toml; empty when there is none
  std::string data;                   // mark of the files that data.json names; empty when there are none
};

// Reads one run folder. The last line of metrics.jsonl may be half written (no newline yet): it is left out. Where a resumed
// run repeats iterations that it had rolled back, the later lines replace the earlier ones. Lines of other events are
// skipped. Throws UserError for a missing folder, a folder without metrics.jsonl and summary.json, and `file:line` of a
// malformed line.
Run read_run(const std::string& folder);

// Reads several; runs whose folders end alike get as many leading folders in their names as tell them apart.
// Throws UserError when `folders` is empty, and what read_run throws.
std::vector<Run> read_runs(const std::vector<std::string>& folders);
// Reads them in the same way. `each` sees every run after it was read and before the next one is, and may take lines away,
// so that many long runs need not be in memory at once.
std::vector<Run> read_runs(const std::vector<std::string>& folders, const std::function<void(Run&)>& each);

// The number under `key`; NaN when it is absent, null or not a number (JSON has no NaN or infinity: they are written as
// null).
double number(const nlohmann::json& object, std::string_view key);

// The text under `key`, or `otherwise` when it is absent or not text.
std::string text(const nlohmann::json& object, std::string_view key, const std::string& otherwise = "");

// The value of `key` in [table] of a resolved recipe (one `key = value` a line, as a run writes it), without quotes and
// comment; empty when it is not there. Not a TOML reader: values that span lines are not understood.
std::string recipe_value(const std::string& recipe, std::string_view table, std::string_view key);

}  // namespace tacet
