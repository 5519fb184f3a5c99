// Tunes the curves of a figure as papers do: each curve's grid is run with the figure's first seed, and the best values
// are taken for all seeds. That is done once, at the recipe's own value of the parameter, or at each of the figure's
// values. Nothing is run here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "figure/figure_file.h"
#include "sweep/plan.h"
#include "sweep/point_state.h"

namespace tacet {

// The grid of one curve, or of one curve at one value of the parameter.
struct CurveTuning {
  size_t curve = 0;             // of the figure
  std::optional<size_t> value;  // of the figure's values; none: for all of them
  SweepPlan plan;
};

// Returns the grids of all curves that have one. Throws UserError that names the curve where a grid is wrong, or is one of
// the figure's parameter.
std::vector<CurveTuning> plan_tuning(const Figure& figure, int workers);

// Returns the lines of the grids' plans: axes that no run has, points that are the same.
std::vector<std::string> tuning_notes(const Figure& figure, const std::vector<CurveTuning>& tunings);

// Returns the points of all grids, each once.
std::vector<Point> tuning_points(const std::vector<CurveTuning>& tunings);

// Returns the folders of the grids' runs that are done.
std::vector<std::string> grid_runs(const std::vector<CurveTuning>& tunings, const SweepFolder& folder);

// Sets the values that are best in each grid, takes the grids away, and returns a line for each of them. Points that have
// diverged count as worse than all others; where all have, the grid's first values are taken. Throws UserError where a
// point has not been run to its end.
std::vector<std::string> tune(Figure& figure, const std::vector<CurveTuning>& tunings, const SweepFolder& folder);

}  // namespace tacet
