// The numbers behind the figures, as the JSON value that the page's script reads. No HTML here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/runs.h"

namespace tacet {

// A figure draws at most this many points a run and series; longer ones are averaged over equal bins.
inline constexpr size_t kMaxPoints = 2000;

// Returns the most points a run and series of a page with so many runs: fewer where there are many runs, so that a browser
// opens the page fast.
size_t points_of_page(size_t runs);

// Columns of equal length, one an entry of `keys`, from the lines' numbers. More than `limit` lines are cut into `limit`
// bins of consecutive lines, equal to within one line, and each bin becomes the mean of its numbers, or null where one of
// them is not finite. A number that a line lacks is left out of the mean, and null where no line of the bin has it. A column
// without any finite number is left out. Adds "lines", the number of lines before, and "last", the last number of each
// column: {key: number, or null where it is not finite}.
nlohmann::json columns(const std::vector<nlohmann::json>& lines, const std::vector<std::string>& keys,
                       size_t limit = kMaxPoints);

// Returns one run's data: {"name", "rounds": columns, "epochs": columns, "evals": columns, "pairs": columns,
// "pairs_left_out": number, "split": "valid" | "test" | "exact", "averaged": bool}. Pairs are those of run.smoothness_every
// whose change is not lost in rounding.
nlohmann::json run_data(const Run& run, size_t limit);

// Takes away the lines of a run that neither tables nor anything else behind run_data() needs.
void shorten(Run& run);

// Returns {"runs": [run_data, …], "groups": [{"label", "runs": [indices], "settings": {key: value}}, …]}. `each` has the
// run_data of every run, which was taken before the runs were shortened.
nlohmann::json page_data(const std::vector<Run>& runs, std::vector<nlohmann::json> each);
nlohmann::json page_data(const std::vector<Run>& runs);

}  // namespace tacet
