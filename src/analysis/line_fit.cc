// See line_fit.h.
#include "analysis/line_fit.h"

#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tacet/error.h"
#include "tacet/random.h"

namespace tacet {
namespace {

// Sums about a first point, so that far-away points lose no digits.
struct LineSums {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
  void add(double u, double v) { n += 1, x += u, y += v, xx += u * u, xy += u * v, yy += v * v; }
  double spread_x() const { return xx - x * x / n; }
  double spread_y() const { return yy - y * y / n; }
  double joint() const { return xy - x * y / n; }
};

struct Line {
  double intercept, slope;
};

Line line_of(const LineSums& s, double x0, double y0) {
  const double slope = s.joint() / s.spread_x();
  return {y0 + s.y / s.n - slope * (x0 + s.x / s.n), slope};
}

Interval percentiles(std::span<const double> values, double confidence) {
  return {quantile(values, (1 - confidence) / 2), quantile(values, (1 + confidence) / 2)};
}

// Returns true if the x of a resample are not all one point, up to rounding.
bool has_spread(const LineSums& s, double whole) { return s.spread_x() > 1e-12 * whole; }

}  // namespace

LineFit fit_line(std::span<const double> x, std::span<const double> y, const FitOptions& options) {
  if (x.size() != y.size()) throw std::logic_error("fit_line: x and y differ in length");
  require_samples("a line with its intervals", 8, x.size());
  LineSums all;
  for (size_t k = 0; k < x.size(); ++k) {
    if (!std::isfinite(x[k]) || !std::isfinite(y[k]))
      throw UserError(fmt::format("a line needs finite points, got ({}, {})", x[k], y[k]));
    all.add(x[k] - x[0], y[k] - y[0]);
  }
  if (!(all.spread_x() > 0))
    throw UserError(fmt::format("a line needs two different x, got {} points at {:g}", x.size(), x[0]));
  const Line line = line_of(all, x[0], y[0]);
  LineFit fit{line.intercept, line.slope};
  fit.n = static_cast<int64_t>(x.size());
  fit.confidence = options.confidence;
  fit.r2 = all.spread_y() > 0 ? all.joint() * all.joint() / (all.spread_x() * all.spread_y()) : 1;
  std::vector<double> intercepts, slopes;
  for (int64_t b = 0; b < options.resamples; ++b) {
    Stream stream(options.seed, Stream::everyone, Purpose::shuffle, 0, b);
    LineSums again;
    for (size_t k = 0; k < x.size(); ++k) {
      const size_t j = stream.below(x.size());
      again.add(x[j] - x[0], y[j] - y[0]);
    }
    if (!has_spread(again, all.spread_x())) continue;
    const Line other = line_of(again, x[0], y[0]);
    intercepts.push_back(other.intercept);
    slopes.push_back(other.slope);
  }
  fit.resamples = static_cast<int64_t>(slopes.size());
  require_samples("a line's interval", 20, slopes.size());
  fit.intercept_interval = percentiles(intercepts, options.confidence);
  fit.slope_interval = percentiles(slopes, options.confidence);
  return fit;
}

}  // namespace tacet
