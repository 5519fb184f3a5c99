// The straight line y = a + b x through points by least squares, with intervals from resampled points. Such a line through
// (‖∇f‖, L̂) estimates L₀ and L₁.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/statistics.h"

namespace tacet {

struct LineFit {
  double intercept = 0, slope = 0;              // a, b
  double r2 = 0;                                // share of y's variance that the line explains
  Interval intercept_interval, slope_interval;  // of the bootstrap's percentiles
  double confidence = 0;
  int64_t n = 0, resamples = 0;
};

struct FitOptions {
  int64_t resamples = 1000;
  double confidence = 0.95;
  uint64_t seed = 0;
};

// Fits the line. The intervals come from points drawn again with replacement, by a stream of the seed. Throws UserError for
// fewer than 8 points, points that are not finite, or x that are all equal.
LineFit fit_line(std::span<const double> x, std::span<const double> y, const FitOptions& options = {});

}  // namespace tacet
