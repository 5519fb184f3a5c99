// Draws a figure's numbers as an SVG file: axes, lines with bands, bars, a legend. It needs no font but sans-serif.
#pragma once

#include <string>
#include <vector>

#include "figure/figure_data.h"

namespace tacet {

// Returns the whole file. All text is escaped.
std::string figure_svg(const Figure& figure, const FigureData& data);

// Returns the marks of an axis from `low` to `high`: 1, 2 or 5 times a power of ten, about `wanted` of them; powers of ten
// where the axis is logarithmic, with 2 and 5 between them where there are few.
std::vector<double> axis_marks(double low, double high, bool log, int wanted);

}  // namespace tacet
