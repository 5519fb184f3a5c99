// See svg.h.
#include "figure/svg.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "figure/svg_parts.h"
#include "tacet/error.h"

namespace tacet {
namespace {

constexpr double kWidth = 720, kHeight = 440, kLeft = 84, kRight = 24, kTop = 48, kBottom = 64, kLegendLine = 18;
// Colours that the colour-blind tell apart (Okabe and Ito 2008).
constexpr std::array<const char*, 7> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#56b4e9", "#e69f00", "#333333"};
constexpr std::array<const char*, 4> kDashes = {"", "7 4", "2 3", "10 3 2 3"};

std::string path_of(const SvgScale& sx, const SvgScale& sy, const std::vector<double>& x, const std::vector<double>& y) {
  std::string out;
  for (size_t k = 0; k < x.size(); ++k) {
    if ((sx.log && x[k] <= 0) || (sy.log && y[k] <= 0)) continue;
    out += fmt::format("{}{:.2f} {:.2f}", out.empty() ? "M" : " L", sx.at(x[k]), sy.at(y[k]));
  }
  return out;
}

std::string band_of(const SvgScale& sx, const SvgScale& sy, const FigureSeries& series) {
  std::vector<double> x = series.x, y = series.high;
  x.insert(x.end(), series.x.rbegin(), series.x.rend());
  y.insert(y.end(), series.low.rbegin(), series.low.rend());
  if (sy.log)
    for (double& v : y) v = std::max(v, sy.low);
  return path_of(sx, sy, x, y) + " Z";
}

std::string axes(const SvgScale& sx, const SvgScale& sy, const FigureData& data, bool with_x) {
  std::string out = "<g class=\"axes\" stroke=\"#ccc\" stroke-width=\"1\">\n";
  for (const double v : axis_marks(sy.low, sy.high, sy.log, 6))
    out += fmt::format("<line x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>\n", sx.from, sx.to, sy.at(v));
  out += "</g>\n<g font-size=\"12\" fill=\"#444\">\n";
  for (const double v : axis_marks(sy.low, sy.high, sy.log, 6))
    out += text_at(sx.from - 8, sy.at(v) + 4, mark_text(v), "text-anchor=\"end\"");
  if (with_x)
    for (const double v : axis_marks(sx.low, sx.high, sx.log, 8))
      out += text_at(sx.at(v), sy.from + 18, mark_text(v), "text-anchor=\"middle\"");
  out += "</g>\n<g font-size=\"13\" fill=\"#222\">\n";
  out += text_at((sx.from + sx.to) / 2, sy.from + 42, data.x_label, "text-anchor=\"middle\"");
  const double middle = (sy.from + sy.to) / 2;
  out += text_at(22, middle, data.y_label,
                 fmt::format("text-anchor=\"middle\" transform=\"rotate(-90 22 {:.1f})\"", middle).c_str());
  return out + "</g>\n" +
         fmt::format("<line x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#444\"/>\n", sx.from, sx.to,
                     sy.from);
}

std::string line_style(size_t k) {
  const char* dash = kDashes[k / kColours.size() % kDashes.size()];
  return fmt::format("stroke=\"{}\"{}", kColours[k % kColours.size()],
                     *dash ? fmt::format(" stroke-dasharray=\"{}\"", dash) : "");
}

// Returns ", 2 diverged", or nothing.
std::string diverged_text(const FigureSeries& series) {
  return series.diverged == 0 ? "" : fmt::format(", {} diverged", series.diverged);
}

// Returns "3", "1 to 3" where points are means of different numbers of runs, or "0".
std::string count_text(const std::vector<size_t>& counts) {
  if (counts.empty()) return "0";
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  return *least == *most ? fmt::format("{}", *least) : fmt::format("{} to {}", *least, *most);
}

// Returns a series' text in the legend.
std::string legend_text(const FigureSeries& series) {
  return fmt::format("{} (n = {}{})", series.label, count_text(series.n), diverged_text(series));
}

std::string legend(const FigureData& data, double x) {
  std::string out = "<g font-size=\"12\" fill=\"#222\">\n";
  for (size_t k = 0; k < data.series.size(); ++k) {
    const double y = kTop + 10 + kLegendLine * static_cast<double>(k);
    out += fmt::format("<line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke-width=\"2.4\" {}/>\n", x,
                       x + 26, y - 4, y - 4, line_style(k));
    out += text_at(x + 32, y, legend_text(data.series[k]), "");
  }
  return out + "</g>\n";
}

std::string lines(const Figure& figure, const FigureData& data, const SvgScale& sx, const SvgScale& sy) {
  std::string out;
  for (size_t k = 0; k < data.series.size(); ++k) {
    const FigureSeries& series = data.series[k];
    if (series.x.empty()) continue;
    if (series.low != series.high)
      out += fmt::format("<path class=\"band\" d=\"{}\" fill=\"{}\" fill-opacity=\"0.18\"/>\n", band_of(sx, sy, series),
                         kColours[k % kColours.size()]);
    out += fmt::format("<path class=\"line\" d=\"{}\" fill=\"none\" stroke-width=\"1.8\" {}/>\n",
                       path_of(sx, sy, series.x, series.mean), line_style(k));
    if (series.x.size() > 30) continue;
    for (size_t i = 0; i < series.x.size(); ++i)
      if ((!sx.log || series.x[i] > 0) && (!sy.log || series.mean[i] > 0))
        out += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"3\" fill=\"{}\"/>\n", sx.at(series.x[i]),
                           sy.at(series.mean[i]), kColours[k % kColours.size()]);
  }
  if (figure.kind != "speed-up") return out;
  const double first = data.series.front().x.front();
  return out + fmt::format("<path class=\"ideal\" d=\"{}\" fill=\"none\" stroke=\"#888\" stroke-dasharray=\"4 4\"/>\n",
                           path_of(sx, sy, {first, sx.high}, {1, sx.high / first}));
}

// Returns the right margin's width for a legend beside the plot.
double legend_width(const FigureData& data) {
  size_t longest = 0;
  for (const FigureSeries& series : data.series)
    longest = std::max(longest, series.label.size() + diverged_text(series).size());
  return 90 + 6.6 * static_cast<double>(std::min<size_t>(longest, 44));
}

std::string bars(const FigureData& data, double bottom) {
  std::vector<const std::vector<double>*> columns;
  const std::vector<double> zero = {0};
  columns.push_back(&zero);
  for (const FigureSeries& series : data.series) columns.push_back(&series.high), columns.push_back(&series.mean);
  SvgScale sy = scale_of(columns, false, data.y_label);
  widen(sy, 0.06);
  sy.from = bottom, sy.to = kTop;
  SvgScale sx{0, static_cast<double>(data.series.size()), kLeft, kWidth - kRight, false};
  std::string out = axes(sx, sy, data, false);
  const double width = (sx.to - sx.from) / static_cast<double>(data.series.size()) * 0.6;
  for (size_t k = 0; k < data.series.size(); ++k) {
    const FigureSeries& series = data.series[k];
    const double x = sx.at(static_cast<double>(k) + 0.5), y = sy.at(series.mean[0]);
    out += fmt::format("<rect class=\"bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n",
                       x - width / 2, y, width, bottom - y, kColours[k % kColours.size()]);
    if (series.low != series.high)
      out += fmt::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" stroke=\"#222\" stroke-width=\"1.5\"/>\n", x,
          sy.at(series.low[0]), sy.at(series.high[0]));
    out += text_at(x, y - 6, fmt::format("{:.4g}", series.mean[0]), "text-anchor=\"middle\" font-size=\"12\" fill=\"#222\"");
    out += text_at(x, bottom + 18, legend_text(series), "text-anchor=\"middle\" font-size=\"12\" fill=\"#222\"");
  }
  return out;
}

std::string plot(const Figure& figure, const FigureData& data, double bottom) {
  std::vector<const std::vector<double>*> xs, ys;
  for (const FigureSeries& series : data.series) {
    xs.push_back(&series.x);
    for (const auto* column : {&series.mean, &series.low, &series.high}) ys.push_back(column);
  }
  SvgScale sx = scale_of(xs, figure.log_x, data.x_label), sy = scale_of(ys, figure.log_y, data.y_label);
  if (figure.kind == "speed-up") sy.high = std::max(sy.high, sx.high / data.series.front().x.front());
  widen(sx, figure.kind == "curves" ? 0 : 0.04);
  widen(sy, 0.05);
  sx.from = kLeft, sx.to = kWidth - kRight - legend_width(data);
  sy.from = bottom, sy.to = kTop;
  std::string out = axes(sx, sy, data, true);
  if (figure.target && figure.kind == "curves" && *figure.target >= sy.low && *figure.target <= sy.high)
    out += fmt::format(
        "<line class=\"target\" x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#888\" "
        "stroke-dasharray=\"4 4\"/>\n",
        sx.from, sx.to, sy.at(*figure.target));
  return out + lines(figure, data, sx, sy) + legend(data, sx.to + 18);
}

}  // namespace

std::vector<double> axis_marks(double low, double high, bool log, int wanted) {
  std::vector<double> out;
  if (log) {
    const double decades = std::log10(high / low);
    const int every = std::max(1, static_cast<int>(std::ceil(decades / wanted)));
    const std::vector<double> steps = decades < 2.5 ? std::vector<double>{1, 2, 5} : std::vector<double>{1};
    for (int power = static_cast<int>(std::floor(std::log10(low))); power <= static_cast<int>(std::ceil(std::log10(high)));
         ++power)
      for (const double step : steps)
        if (const double v = step * std::pow(10, power); power % every == 0 && v >= low && v <= high) out.push_back(v);
    if (out.size() >= 2) return out;
    out.clear();
  }
  const double raw = (high - low) / wanted, power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double m : {5.0, 2.0, 1.0})
    if (m * power >= raw * 0.999) step = m * power;
  for (auto k = static_cast<int64_t>(std::ceil(low / step - 1e-9)); static_cast<double>(k) * step <= high + step * 1e-9; ++k)
    out.push_back(static_cast<double>(k) * step);
  return out;
}

std::string figure_svg(const Figure& figure, const FigureData& data) {
  if (data.series.empty()) throw UserError("the figure has nothing to draw: no run has reached the target");
  const auto of_all = [&](auto&& has) { return std::all_of(data.series.begin(), data.series.end(), has); };
  if (of_all([](const FigureSeries& series) { return series.x.empty(); })) {
    const bool wild = of_all([](const FigureSeries& series) { return series.diverged > 0; });
    throw UserError(std::string("the figure has nothing to draw: ") + (wild ? "all runs diverged" : "no curve has a point"));
  }
  const double legend_end = kTop + kLegendLine * static_cast<double>(data.series.size()) + kBottom;
  const double height = std::max(kHeight, legend_end), bottom = height - kBottom;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" height=\"{1:g}\" "
      "role=\"img\" font-family=\"sans-serif\">\n",
      kWidth, height);
  out += fmt::format("<title>{}</title>\n<desc>{}</desc>\n", svg_escaped(figure.title), svg_escaped(figure.caption));
  out += "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  out += text_at(kLeft, 26, figure.title, "font-size=\"15\" font-weight=\"bold\" fill=\"#222\"");
  return out + (figure.kind == "bars" ? bars(data, bottom) : plot(figure, data, bottom)) + "</svg>\n";
}

}  // namespace tacet
