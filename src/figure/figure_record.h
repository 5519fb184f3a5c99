// A figure's numbers run by run, for whoever computes with them again: a table of all points, and the facts about them.
// Nothing is averaged here.
#pragma once

#include <string>
#include <vector>

#include "figure/figure_file.h"
#include "figure/figure_runs.h"
#include "report/runs.h"

namespace tacet {

// Returns all points of all runs as CSV, for each of the figure's keys: curve, value (the parameter's, empty where there is
// none), seed, key, x, y, and the place on each further axis.
std::string figure_points_csv(const Figure& figure, const FigurePlan& plan, const std::vector<std::vector<Run>>& runs);

// Returns the facts as JSON: kind, axes, target, parameter, the notes of tuning and drawing, the number of runs and their
// training seconds in all, the same for the runs of `grid` that are not drawn, the groups with runs that diverged and how
// many, and the versions that they were made with.
std::string figure_facts(const Figure& figure, const FigurePlan& plan, const std::vector<std::string>& notes,
                         const std::vector<std::vector<Run>>& runs, const std::vector<Run>& grid);

// Throws UserError that names the key where the facts in a figure's file are those of another figure, whose drawing would be
// lost: its title, kind, x or y differ. A file that is not there, or is none of ours, says nothing.
void require_same_figure(const Figure& figure, const std::string& path);

}  // namespace tacet
