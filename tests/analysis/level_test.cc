// Tests and intervals on simulated samples, many seeds each: how often they speak where there is nothing (level, coverage),
// and where there is something (power). The draws are streams with fixed keys, so the counts below never change; their
// limits are far from what was counted.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "analysis/dip_test.h"
#include "analysis/line_fit.h"
#include "analysis/statistics.h"
#include "analysis/symmetry_test.h"
#include "tacet/random.h"

namespace tacet {
namespace {

using Values = std::vector<double>;
using Law = std::function<double(Stream&)>;

double gaussian(Stream& s) { return s.normal(); }
double uniform(Stream& s) { return s.uniform(); }
double exponential(Stream& s) { return -std::log1p(-s.uniform()); }
double laplace(Stream& s) { return (s.bits() & 1 ? 1 : -1) * exponential(s); }
double pareto2(Stream& s) { return 1 / std::sqrt(1 - s.uniform()); }  // P(v > t) = t⁻²
double two_bells(Stream& s) { return s.normal() + (s.bits() & 1 ? 2.5 : -2.5); }

Values sample(const Law& law, int n, int seed) {
  Stream stream(static_cast<uint64_t>(seed), 0, Purpose::gradient_noise, 7, 7);
  Values v(static_cast<size_t>(n));
  for (double& x : v) x = law(stream);
  return v;
}

// Returns the share of seeds for which the condition holds.
double share(int seeds, const std::function<bool(int seed)>& holds) {
  int count = 0;
  for (int s = 0; s < seeds; ++s) count += holds(s);
  return static_cast<double>(count) / seeds;
}

TEST(SignTestLevel, IsAtMostFivePercentAndSeesAShift) {
  const double level = share(400, [](int s) { return sign_test(sample(laplace, 60, s)).p < 0.05; });
  EXPECT_LE(level, 0.07);
  EXPECT_GE(level, 0.01);
  EXPECT_GE(share(200, [](int s) { return sign_test(sample(gaussian, 60, s), 0.7).p < 0.05; }), 0.95);
}

TEST(SymmetryTestLevel, IsNearFivePercentAndSeesSkewness) {
  for (const Law& law : {Law(gaussian), Law(laplace), Law(uniform)}) {
    const double level = share(150, [&](int s) { return symmetry_test(sample(law, 50, s)).p < 0.05; });
    EXPECT_LE(level, 0.11);
  }
  EXPECT_GE(share(100, [](int s) { return symmetry_test(sample(exponential, 50, s)).p < 0.05; }), 0.8);
}

TEST(DipTestLevel, IsAtMostFivePercentAndSeesTwoModes) {
  const auto refused = [](const Law& law, int s) {
    return dip_test(sample(law, 60, s), static_cast<uint64_t>(s), 150).p < 0.05;
  };
  EXPECT_LE(share(120, [&](int s) { return refused(uniform, s); }), 0.1);
  EXPECT_LE(share(120, [&](int s) { return refused(gaussian, s); }), 0.03);
  EXPECT_LE(share(60, [&](int s) { return refused(exponential, s); }), 0.05);
  EXPECT_GE(share(60, [&](int s) { return refused(two_bells, s); }), 0.9);
}

TEST(LineFitLevel, IntervalsHoldTheTruthAboutAsOftenAsTheySay) {
  FitOptions options;
  options.resamples = 200;
  int slopes = 0, intercepts = 0;
  constexpr int seeds = 150;
  for (int s = 0; s < seeds; ++s) {
    Stream stream(static_cast<uint64_t>(s), 1, Purpose::gradient_noise, 7, 7);
    Values x, y;
    for (int k = 0; k < 40; ++k) {
      x.push_back(4 * stream.uniform());
      y.push_back(1 + 0.5 * x.back() + (0.1 + 0.1 * x.back()) * stream.normal());  // noise that grows with x
    }
    options.seed = static_cast<uint64_t>(s);
    const LineFit fit = fit_line(x, y, options);
    slopes += fit.slope_interval.holds(0.5);
    intercepts += fit.intercept_interval.holds(1);
  }
  for (const int held : {slopes, intercepts}) {
    EXPECT_GE(held, 0.87 * seeds);
    EXPECT_LE(held, 0.99 * seeds);
  }
}

TEST(TailIndexLevel, HoldsParetosIndex) {
  const double held = share(200, [](int s) { return tail_index(sample(pareto2, 400, s)).interval.holds(2); });
  EXPECT_GE(held, 0.88);
  EXPECT_GT(tail_index(sample(gaussian, 2000, 1)).alpha, 3);  // no power law
}

TEST(QuantileIntervalLevel, HoldsTheQuantile) {
  const double held =
      share(300, [](int s) { return quantile_interval(sample(exponential, 100, s), 0.9).holds(std::log(10)); });
  EXPECT_GE(held, 0.94);  // 95 % or more, for every law
}

TEST(NoiseScaleLevel, IsFoundFromManyGradients) {
  // Ten coordinates, gradient (1, …, 1), noise of variance 4 a coordinate and sample: |G|² = 10, S = 40, S/|G|² = 4.
  Stream stream(3, 2, Purpose::gradient_noise, 7, 7);
  const auto square = [&](int batch) {
    double sum = 0;
    for (int j = 0; j < 10; ++j) sum += std::pow(1 + 2 / std::sqrt(batch) * stream.normal(), 2);
    return sum;
  };
  Values small, big;
  for (int k = 0; k < 4000; ++k) small.push_back(square(2)), big.push_back(square(16));
  EXPECT_NEAR(noise_scale(small, 2, big, 16).batch, 4, 0.2);
}

}  // namespace
}  // namespace tacet
