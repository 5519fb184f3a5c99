// The lines of a run that tell a key of metrics.jsonl, for figures and targets. Nothing is computed here.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "report/runs.h"

namespace tacet {

// Lines in order, and the name of the key in them.
struct KeyLines {
  std::vector<nlohmann::json> lines;
  std::string key;
};

// Returns the lines that have the key: for train_set_loss and kin the "train" lines, whose key is eval_loss; measured
// gradients where rounds don't have it; evaluations (held_out); epochs with `by_epoch`; or rounds, whether they have it or
// not.
KeyLines lines_with(const Run& run, const std::string& key, bool by_epoch = false);

// Returns true if a line has a finite number under the key.
bool has_number(const std::vector<nlohmann::json>& lines, const std::string& key);

// Returns the keys of numbers that a run has, by which lines_with finds them, with commas between; "no lines" where it has
// none.
std::string numeric_keys(const Run& run);

}  // namespace tacet
