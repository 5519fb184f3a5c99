// The numbers behind the figures, as the JSON value that the page's script reads. No HTML here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/runs.h"

namespace tacet {

// A figure draws at most this many points a run and series; longer ones are averaged over equal bins.
inline constexpr size_t kMaxPoints = 2000;

// Columns of equal length, one an entry of `keys`, from the lines' numbers. More than `limit` lines are cut into `limit`
// bins of consecutive lines, equal to within one line, and each bin becomes the mean of its finite numbers. Unknown and
// non-finite numbers are null. A column without any number is left out. Adds "lines", the number of lines before.
nlohmann::json columns(const std::vector<nlohmann::json>& lines, const std::vector<std::string>& keys,
                       size_t limit = kMaxPoints);

// {"runs": [{"name", "rounds": columns, "epochs": columns, "evals": columns, "split": "valid" | "test" | "exact",
// "averaged": bool}, …]}
nlohmann::json page_data(const std::vector<Run>& runs);

}  // namespace tacet
