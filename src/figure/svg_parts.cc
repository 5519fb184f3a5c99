// See svg_parts.h.
#include "figure/svg_parts.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tacet/error.h"

namespace tacet {

double SvgScale::at(double v) const {
  const auto f = [&](double w) { return log ? std::log10(std::max(w, low * 1e-3)) : w; };
  return from + (f(v) - f(low)) / (f(high) - f(low)) * (to - from);
}

std::string svg_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else
      out += c;
  }
  return out;
}

void widen(SvgScale& scale, double share) {
  // Means of equal numbers differ in their last digits, which make no range.
  const bool one = scale.high - scale.low <= 1e-9 * std::max(std::abs(scale.low), std::abs(scale.high));
  if (scale.log) {
    const double factor = one ? 2 : std::pow(scale.high / scale.low, share);
    scale.low /= factor, scale.high *= factor;
    return;
  }
  const double pad = one ? std::max(std::abs(scale.high), 1.0) * 0.1 : (scale.high - scale.low) * share;
  scale.low = scale.low >= 0 ? std::max(0.0, scale.low - pad) : scale.low - pad;
  scale.high += pad;
}

SvgScale scale_of(const std::vector<const std::vector<double>*>& columns, bool log, const std::string& what) {
  SvgScale scale;
  scale.log = log;
  bool some = false;
  for (const auto* column : columns)
    for (const double v : *column) {
      if (!std::isfinite(v) || (log && v <= 0)) continue;
      scale.low = some ? std::min(scale.low, v) : v;
      scale.high = some ? std::max(scale.high, v) : v;
      some = true;
    }
  if (!some) throw UserError("the figure has nothing to draw: " + what + " has no finite value" + (log ? " above 0" : ""));
  return scale;
}

std::string mark_text(double v) { return fmt::format("{:g}", v); }

std::string text_at(double x, double y, const std::string& text, const char* more) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, more, svg_escaped(text));
}

std::string svg_fitted(const std::string& text, double width, double size) {
  const auto most = static_cast<size_t>(std::max(1.0, width / (kSvgGlyph * size)));
  std::vector<size_t> starts;  // of its characters
  for (size_t k = 0; k < text.size(); ++k)
    if ((static_cast<unsigned char>(text[k]) & 0xc0) != 0x80) starts.push_back(k);
  return starts.size() <= most ? text : text.substr(0, starts[most - 1]) + "…";
}

}  // namespace tacet
