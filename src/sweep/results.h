// Results of a sweep: the figures of each point, means and deviations over seeds, the best values, and the files that tell
// them. Nothing is run here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "report/compare.h"
#include "sweep/plan.h"
#include "sweep/point_state.h"

namespace tacet {

struct PointResult {
  const Point* point = nullptr;
  PointState state;
  std::string folder;
  std::map<std::string, double> figures;  // "eval_loss" of the end, "best.eval_loss", "seconds"; only finite ones
};

// Runs that differ in their seed only.
struct SeedGroup {
  std::vector<Setting> settings;  // without the seed
  std::vector<const PointResult*> runs;
  size_t done = 0;                 // runs that are done
  size_t count = 0;                // done runs that have the figure
  double mean = 0, deviation = 0;  // the deviation is that of a sample, NaN for one run
};

struct SweepResults {
  std::string figure;
  std::vector<PointResult> points;
  std::vector<SeedGroup> groups;  // in the plan's order
  std::optional<size_t> best;     // index of a group; none where no group has the figure
};

// Reads the points' files. The best group is one of those whose runs are all done, where there are some. Throws UserError
// where runs are done and none of them has the figure.
SweepResults results_of(const SweepPlan& plan, const SweepFolder& folder);

// Returns a row for each group.
Table results_table(const SweepPlan& plan, const SweepResults& results);

// Writes sweep.csv, sweep.json and, where there is a best group, best.toml: the recipe of its first run. Throws WriteError.
void write_results(const SweepPlan& plan, const SweepResults& results, const SweepFolder& folder);

// Returns text for one cell of a CSV file.
std::string csv_cell(const std::string& text);

}  // namespace tacet
