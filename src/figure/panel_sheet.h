// A sheet of small plots, called panels, in rows and columns: points, lines and bars on axes of their own, each with its
// legend. Its colours follow the reader's choice of light or dark. The numbers come from the caller.
#pragma once

#include <string>
#include <vector>

namespace tacet {

enum class PanelMark {
  points,
  line,
  bars,
  guide,  // a dashed line from top to bottom at each x, with the label along it; it has no y
  dots    // large points over all others
};

struct PanelSeries {
  std::string label;  // of the legend, where one of a panel stands once; empty: it is not in there
  PanelMark mark = PanelMark::points;
  std::vector<double> x, y;
  int colour = 0;  // number of one of the four colours, or kPanelGrey
  bool dashed = false;
};

inline constexpr int kPanelGrey = 4;

struct Panel {
  std::string title, x_label, y_label;
  std::vector<std::string> notes;  // lines under the title
  bool log_x = false, log_y = false;
  std::vector<PanelSeries> series;
};

struct PanelSheet {
  std::string title, caption;  // the caption is for readers who can't see the picture
  std::vector<Panel> panels;
  int columns = 1;
};

// Returns the sheet as an SVG file. Values that are not finite, or not above 0 on a log axis, are left out. Throws UserError
// where a panel has no others.
std::string panels_svg(const PanelSheet& sheet);

// Returns every number of the sheet as CSV: panel, series, mark, x, y. A guide's y is empty.
std::string panels_csv(const PanelSheet& sheet);

}  // namespace tacet
