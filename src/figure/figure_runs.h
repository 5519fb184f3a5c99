// The runs of a figure: points for those that are missing, and the folders that are drawn.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "figure/figure_file.h"
#include "sweep/plan.h"
#include "sweep/point_state.h"

namespace tacet {

// Runs that differ in their seed only.
struct FigureGroup {
  size_t curve = 0;               // of the figure
  std::optional<Value> value;     // the parameter's, where the figure has one
  std::vector<size_t> points;     // of the plan; empty where the curve names runs
  std::vector<std::string> runs;  // folders
  size_t diverged = 0;            // points that have diverged, which are in no mean
};

struct FigurePlan {
  std::vector<Point> points;  // each run once, though several curves may have it
  std::vector<FigureGroup> groups;
};

// Returns the runs of a figure. Throws UserError for a recipe or setting that is wrong.
FigurePlan plan_figure(const Figure& figure, int workers);

// Returns "celgc", or "celgc at algorithm.interval = 4".
std::string group_name(const Figure& figure, const FigureGroup& group);

// Fills in the folders of the groups' points that are done, counts those that have diverged, and returns a line for each
// group that has some of them, and for each run named by the figure that is not done. Throws UserError for a point that has
// not ended.
std::vector<std::string> find_runs(const Figure& figure, FigurePlan& plan, const SweepFolder& folder);

// Throws UserError where runs of one group differ in more than their seed; the message names the first such key.
void require_alike(const Figure& figure, const FigurePlan& plan);

}  // namespace tacet
