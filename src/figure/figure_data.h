// The numbers of a figure: means and deviations over seeds, computed from what runs have written. Nothing is drawn here.
#pragma once

#include <string>
#include <vector>

#include "figure/figure_file.h"
#include "figure/figure_runs.h"
#include "report/runs.h"

namespace tacet {

// A line with its band, or one bar.
struct FigureSeries {
  std::string label;
  size_t diverged = 0;                     // runs that are in no mean
  std::vector<double> x, mean, low, high;  // the band is the mean ± the deviation of a sample
  std::vector<size_t> n;                   // runs in the mean of each point
};

struct FigureData {
  std::vector<FigureSeries> series;
  std::vector<std::string> notes;  // lines for the user: what is left out, and targets that were not reached
  std::string x_label, y_label;
};

// Points of one run in the order of x.
struct FigurePoints {
  std::vector<double> x, y;
  std::vector<std::vector<double>> over;  // of each point, its places on the figure's further axes; NaN where it has none
  size_t not_finite = 0;                  // values that are left out
  bool ends_finite = true;                // the last value is not one of them
};

// Returns the points of a run for the figure's axes. Throws UserError naming the run and the keys it has where one is
// missing.
FigurePoints points_of(const Figure& figure, const Run& run);

// Returns the first x at which y has reached the target; NaN where it never does.
double reaches(const FigurePoints& points, double target, bool higher);

// Returns the mean of several runs where all of them have points. Runs with other x are interpolated.
FigureSeries mean_of(const std::vector<FigurePoints>& runs);

// Returns the figure's numbers, with one list of runs for each group of the plan. A curve whose runs have all diverged has
// no points.
FigureData figure_data(const Figure& figure, const FigurePlan& plan, const std::vector<std::vector<Run>>& runs);

// Returns the numbers as CSV: curve, n, x, mean, low, high.
std::string figure_csv(const FigureData& data);

}  // namespace tacet
