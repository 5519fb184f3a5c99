// See panel_sheet.h.
#include "figure/panel_sheet.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "figure/svg.h"
#include "figure/svg_parts.h"
#include "sweep/results.h"

namespace tacet {
namespace {

constexpr double kPanelLeft = 64, kPanelRight = 14, kPanelFoot = 44, kPanelLine = 15, kSheetHead = 36;
constexpr double kNoteSize = 11, kTitleSize = 13, kSheetSize = 15;

// Colours that the colour-blind tell apart (Okabe and Ito 2008), of those that show on white and on black.
constexpr const char* kPanelStyle =
    "<style>\n.paper{fill:#fff}.ink{fill:#222}.soft{fill:#555}.grid{stroke:#ddd}.axis{stroke:#555}\n"
    ".c0{color:#0072b2}.c1{color:#d55e00}.c2{color:#009e73}.c3{color:#cc79a7}.c4{color:#888}\n"
    "@media (prefers-color-scheme: dark){.paper{fill:#16191d}.ink{fill:#e8e8e8}.soft{fill:#b5b5b5}.grid{stroke:#353a40}"
    ".axis{stroke:#9a9a9a}.c0{color:#56a8e0}}\n</style>\n";

// Sizes that all panels of a sheet share.
struct PanelLayout {
  double width = 0, plot = 0;    // of a cell; the height of its plot
  size_t notes = 0, legend = 0;  // lines above and below the plot
  double head() const { return 22 + kPanelLine * static_cast<double>(notes); }
  double height() const { return head() + plot + kPanelFoot + kPanelLine * static_cast<double>(legend) + 10; }
};

// Returns the series that the legend names. A guide's label stands beside it, and of several with one label the first is
// there.
std::vector<const PanelSeries*> legend_series(const Panel& panel) {
  std::vector<const PanelSeries*> named;
  for (const PanelSeries& s : panel.series)
    if (!s.label.empty() && s.mark != PanelMark::guide &&
        std::none_of(named.begin(), named.end(), [&](const PanelSeries* other) { return other->label == s.label; }))
      named.push_back(&s);
  return named;
}

PanelLayout layout_of(const PanelSheet& sheet) {
  PanelLayout layout{sheet.columns == 1 ? 640.0 : 340.0, sheet.columns == 1 ? 320.0 : 180.0};
  for (const Panel& panel : sheet.panels) {
    layout.notes = std::max(layout.notes, panel.notes.size());
    layout.legend = std::max(layout.legend, legend_series(panel).size());
  }
  return layout;
}

struct PanelScales {
  SvgScale x, y;
  bool holds(double u, double v) const {
    return std::isfinite(u) && std::isfinite(v) && !(x.log && u <= 0) && !(y.log && v <= 0);
  }
};

PanelScales scales_of(const Panel& panel, const PanelLayout& layout) {
  std::vector<const std::vector<double>*> xs, ys;
  const std::vector<double> zero = {0};
  bool bars = false;
  for (const PanelSeries& s : panel.series) {
    xs.push_back(&s.x), ys.push_back(&s.y);
    bars = bars || s.mark == PanelMark::bars;
  }
  if (bars && !panel.log_y) ys.push_back(&zero);
  PanelScales scales{scale_of(xs, panel.log_x, panel.x_label), scale_of(ys, panel.log_y, panel.y_label)};
  widen(scales.x, 0.04);
  widen(scales.y, 0.06);
  scales.x.from = kPanelLeft, scales.x.to = layout.width - kPanelRight;
  scales.y.from = layout.head() + layout.plot, scales.y.to = layout.head();
  return scales;
}

std::string panel_text(double x, double y, const std::string& text, double size, const char* role, const char* anchor) {
  return text_at(x, y, text, fmt::format("class=\"{}\" font-size=\"{:g}\" text-anchor=\"{}\"", role, size, anchor).c_str());
}

// Returns the axes' lines and marks. A mark that would touch the one before it on the x axis has no words.
std::string panel_axes(const Panel& panel, const PanelScales& s, const PanelLayout& layout) {
  std::string out;
  for (const double v : axis_marks(s.y.low, s.y.high, s.y.log, 5)) {
    out += fmt::format("<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n", s.x.from, s.x.to,
                       s.y.at(v), s.y.at(v));
    out += panel_text(s.x.from - 6, s.y.at(v) + 4, mark_text(v), kNoteSize, "soft", "end");
  }
  double free_from = 0;
  for (const double v : axis_marks(s.x.low, s.x.high, s.x.log, 5)) {
    const std::string words = mark_text(v);
    const double half = kSvgGlyph * kNoteSize * static_cast<double>(words.size()) / 2 + 3;
    if (s.x.at(v) - half < free_from || s.x.at(v) + half > layout.width) continue;
    free_from = s.x.at(v) + half;
    out += panel_text(s.x.at(v), s.y.from + 15, words, kNoteSize, "soft", "middle");
  }
  const double width = s.x.to - s.x.from, middle = (s.y.from + s.y.to) / 2;
  out += panel_text((s.x.from + s.x.to) / 2, s.y.from + 33, svg_fitted(panel.x_label, width, kNoteSize), kNoteSize, "ink",
                    "middle");
  out += text_at(14, middle, svg_fitted(panel.y_label, layout.plot, kNoteSize),
                 fmt::format("class=\"ink\" font-size=\"{:g}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {:.1f})\"",
                             kNoteSize, middle)
                     .c_str());
  return out + fmt::format("<path class=\"axis\" fill=\"none\" d=\"M{0:.1f} {1:.1f}V{2:.1f}H{3:.1f}\"/>\n", s.x.from, s.y.to,
                           s.y.from, s.x.to);
}

std::string points_path(const PanelSeries& series, const PanelScales& s) {
  const bool large = series.mark == PanelMark::dots;
  std::string d;
  for (size_t k = 0; k < series.x.size(); ++k)
    if (s.holds(series.x[k], series.y[k])) d += fmt::format("M{:.1f} {:.1f}h0", s.x.at(series.x[k]), s.y.at(series.y[k]));
  return fmt::format(
      "<path class=\"{} c{}\" d=\"{}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"{}\" stroke-linecap=\"round\" "
      "stroke-opacity=\"{}\"/>\n",
      large ? "dots" : "points", series.colour, d, large ? 8 : 4.5, large ? 1 : 0.7);
}

std::string line_path(const PanelSeries& series, const PanelScales& s) {
  std::string d;
  for (size_t k = 0; k < series.x.size(); ++k)
    if (s.holds(series.x[k], series.y[k]))
      d += fmt::format("{}{:.1f} {:.1f}", d.empty() ? "M" : "L", s.x.at(series.x[k]), s.y.at(series.y[k]));
  return fmt::format("<path class=\"line c{}\" d=\"{}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.8\"{}/>\n",
                     series.colour, d, series.dashed ? " stroke-dasharray=\"6 4\"" : "");
}

std::string bar_shapes(const PanelSeries& series, const PanelScales& s) {
  const double wide = series.x.size() > 1 ? s.x.at(series.x[1]) - s.x.at(series.x[0]) : (s.x.to - s.x.from) / 2;
  std::string out;
  for (size_t k = 0; k < series.x.size(); ++k) {
    if (!s.holds(series.x[k], series.y[k])) continue;
    const double top = s.y.at(series.y[k]), foot = s.y.log ? s.y.from : s.y.at(0);
    out += fmt::format(
        "<rect class=\"bar c{}\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\" fill=\"currentColor\" "
        "fill-opacity=\"0.55\"/>\n",
        series.colour, s.x.at(series.x[k]) - 0.46 * wide, std::min(top, foot), 0.92 * wide, std::abs(foot - top));
  }
  return out;
}

std::string guide_lines(const PanelSeries& series, const PanelScales& s) {
  constexpr double gap = 4, letters = 8;
  std::string out;
  for (const double x : series.x) {
    if (!s.holds(x, s.y.high)) continue;
    const double at = s.x.at(x), text = at + gap + letters, top = s.y.to + gap;
    out += fmt::format(
        "<path class=\"guide c{}\" d=\"M{:.1f} {:.1f}V{:.1f}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.4\" "
        "stroke-dasharray=\"2 3\"/>\n",
        series.colour, at, s.y.from, s.y.to);
    out +=
        text_at(text, top, svg_fitted(series.label, s.y.from - top, kNoteSize),
                fmt::format("class=\"soft\" font-size=\"{:g}\" text-anchor=\"end\" transform=\"rotate(-90 {:.1f} {:.1f})\"",
                            kNoteSize, text, top)
                    .c_str());
  }
  return out;
}

std::string shapes_of(const PanelSeries& series, const PanelScales& s) {
  if (series.mark == PanelMark::guide) return guide_lines(series, s);
  if (series.mark == PanelMark::points || series.mark == PanelMark::dots) return points_path(series, s);
  return series.mark == PanelMark::line ? line_path(series, s) : bar_shapes(series, s);
}

std::string legend_of(const Panel& panel, const PanelLayout& layout) {
  std::string out;
  double y = layout.head() + layout.plot + kPanelFoot + 8;
  for (const PanelSeries* named : legend_series(panel)) {
    const PanelSeries& series = *named;
    out += fmt::format(
        "<line class=\"c{}\" x1=\"{:g}\" x2=\"{:g}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"currentColor\" "
        "stroke-width=\"{}\"{}/>\n",
        series.colour, kPanelLeft, kPanelLeft + 20, y - 4, y - 4, series.mark == PanelMark::line ? "2" : "6",
        series.dashed ? " stroke-dasharray=\"6 4\"" : "");
    const double room = layout.width - kPanelRight - kPanelLeft - 26;
    out += panel_text(kPanelLeft + 26, y, svg_fitted(series.label, room, kNoteSize), kNoteSize, "ink", "start");
    y += kPanelLine;
  }
  return out;
}

std::string panel_svg(const Panel& panel, const PanelLayout& layout) {
  const PanelScales scales = scales_of(panel, layout);
  const double room = layout.width - 16;
  std::string out = panel_text(8, 15, svg_fitted(panel.title, room, kTitleSize), kTitleSize, "ink", "start");
  for (size_t k = 0; k < panel.notes.size(); ++k)
    out += panel_text(8, 15 + kPanelLine * static_cast<double>(k + 1), svg_fitted(panel.notes[k], room, kNoteSize),
                      kNoteSize, "soft", "start");
  out += panel_axes(panel, scales, layout);
  // Points lie over bars, and lines over both.
  for (const PanelMark mark : {PanelMark::guide, PanelMark::bars, PanelMark::points, PanelMark::line, PanelMark::dots})
    for (const PanelSeries& series : panel.series)
      if (series.mark == mark) out += shapes_of(series, scales);
  return out + legend_of(panel, layout);
}

}  // namespace

std::string panels_svg(const PanelSheet& sheet) {
  const PanelLayout layout = layout_of(sheet);
  const auto columns = static_cast<size_t>(std::max(1, sheet.columns)), count = sheet.panels.size();
  const size_t rows = (count + columns - 1) / columns;
  const double width = layout.width * static_cast<double>(columns);
  const double height = kSheetHead + layout.height() * static_cast<double>(rows);
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" height=\"{1:g}\" "
      "role=\"img\" font-family=\"sans-serif\">\n<title>{2}</title>\n<desc>{3}</desc>\n",
      width, height, svg_escaped(sheet.title), svg_escaped(sheet.caption));
  out += kPanelStyle;
  out += "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n";
  out += text_at(8, 24, svg_fitted(sheet.title, width - 16, kSheetSize),
                 fmt::format("class=\"ink\" font-size=\"{:g}\" font-weight=\"bold\"", kSheetSize).c_str());
  for (size_t k = 0; k < count; ++k)
    out += fmt::format("<g class=\"panel\" transform=\"translate({:g} {:g})\">\n{}</g>\n",
                       layout.width * static_cast<double>(k % columns),
                       kSheetHead + layout.height() * static_cast<double>(k / columns), panel_svg(sheet.panels[k], layout));
  return out + "</svg>\n";
}

std::string panels_csv(const PanelSheet& sheet) {
  constexpr const char* marks[] = {"points", "line", "bars", "guide", "dots"};
  std::string out = "panel,series,mark,x,y\n";
  for (const Panel& panel : sheet.panels)
    for (const PanelSeries& s : panel.series)
      for (size_t k = 0; k < s.x.size(); ++k)
        out += fmt::format("{},{},{},{},{}\n", csv_cell(panel.title), csv_cell(s.label), marks[static_cast<size_t>(s.mark)],
                           s.x[k], s.mark == PanelMark::guide ? "" : fmt::format("{}", s.y[k]));
  return out;
}

}  // namespace tacet
