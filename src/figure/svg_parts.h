// The parts that every drawing is made of: scales of axes, texts, and the marks' words. Whole drawings are in svg.h and
// panel_sheet.h.
#pragma once

#include <string>
#include <vector>

namespace tacet {

// The width of a character of sans-serif, as a share of its size. Most are narrower.
inline constexpr double kSvgGlyph = 0.58;

// A scale from values to places on the paper.
struct SvgScale {
  double low = 0, high = 1, from = 0, to = 1;
  bool log = false;
  double at(double v) const;
};

// Widens the scale by this share of itself at both ends. One of values ≥ 0 does not go below 0.
void widen(SvgScale& scale, double share);
// Returns the scale of the values, of which a log axis takes those above 0. Throws UserError naming `what` where there are
// none.
SvgScale scale_of(const std::vector<const std::vector<double>*>& columns, bool log, const std::string& what);

std::string svg_escaped(const std::string& text);
// Returns the words of a mark on an axis.
std::string mark_text(double v);
// Returns a text element; `more` has further attributes.
std::string text_at(double x, double y, const std::string& text, const char* more);
// Returns the text, cut with "…" where it is wider than this at this size.
std::string svg_fitted(const std::string& text, double width, double size);

}  // namespace tacet
