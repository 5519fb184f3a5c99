// Figures of small samples, worked out by hand, and errors for samples that are too small.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "analysis/dip_test.h"
#include "analysis/line_fit.h"
#include "analysis/statistics.h"
#include "analysis/symmetry_test.h"
#include "support/error_of.h"

namespace tacet {
namespace {

using test::error_of;
using Values = std::vector<double>;

TEST(Statistics, OfFourValues) {
  const Values v = {1, 2, 3, 6};
  EXPECT_DOUBLE_EQ(mean(v), 3);
  EXPECT_DOUBLE_EQ(deviation(v), std::sqrt(14.0 / 3));  // 4 + 1 + 0 + 9 over 3
  // Cubes −8 − 1 + 0 + 27 = 18, so 18/4 over (14/4)^1.5, times √(4·3)/2.
  EXPECT_DOUBLE_EQ(skewness(v), std::sqrt(12.0) / 2 * 4.5 / std::pow(3.5, 1.5));
  EXPECT_DOUBLE_EQ(quantile(v, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(v, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(v, 1), 6);
  EXPECT_EQ(skewness(Values{2, 2, 2}), 0);
  EXPECT_EQ(skewness(Values(10, 0.1)), 0);  // whose mean is not 0.1 to the last digit
}

TEST(Statistics, SayHowManySamplesTheyNeed) {
  EXPECT_EQ(error_of([] { mean({}); }), "a mean needs at least 1 samples, got 0");
  EXPECT_EQ(error_of([] { sign_test(Values{1, 2, -1, 0, 0, 0}); }), "a sign test needs at least 6 samples, got 3");
  EXPECT_EQ(error_of([] { tail_index(Values(100, 1.0)); }), "a tail index needs at least 160 samples, got 100");
  EXPECT_EQ(error_of([] {
              fit_line(Values{1, 2, 3}, Values{1, 2, 3});
            }),
            "a line with its intervals needs at least 8 samples, got 3");
  EXPECT_EQ(error_of([] { dip_test(Values(19, 0.0)); }), "a dip test needs at least 20 samples, got 19");
  EXPECT_EQ(error_of([] { symmetry_test(Values(7, 0.0)); }), "a test of symmetry needs at least 20 samples, got 7");
  EXPECT_EQ(error_of([] { kept_share(Values(3, 1.0), Values(3, 1.0), 1); }),
            "the share of Lemma 1 needs at least 30 samples, got 3");
  // The largest of n values is below the 0.99 quantile with probability 0.99^n, which is to be at most 2.5 %.
  EXPECT_EQ(error_of([] { quantile_interval(Values(300, 0.0), 0.99); }),
            "an interval of 95 % for the 0.99 quantile needs at least 368 samples, got 300");
}

TEST(SignTest, CountsBothSidesExactly) {
  const SignTest test = sign_test(Values{1, 2, 3, 4, 5, 6, 7, -1});
  EXPECT_EQ(test.above, 7);
  EXPECT_EQ(test.below, 1);
  EXPECT_NEAR(test.p, 2 * 9 / 256.0, 1e-12);  // P(X ≤ 1) = (1 + 8)/2⁸
  EXPECT_NEAR(sign_test(Values{1, 2, 3, -1, -2, -3}).p, 1, 1e-12);
}

TEST(QuantileInterval, OfTheMedianOfTwentyValues) {
  Values v;
  for (int k = 1; k <= 20; ++k) v.push_back(k);
  const Interval i = quantile_interval(v, 0.5);  // the 6th and the 15th value, as in every table: P(X ≤ 5) = 0.0207
  EXPECT_EQ(i.low, 6);
  EXPECT_EQ(i.high, 15);
}

// t of 7 and 29 degrees of freedom at 0.975, as in every table: 2.3646 and 2.0452.
TEST(MeanInterval, IsStudents) {
  Values v = {1, 2, 3, 4, 5, 6, 7, 8};
  const Interval eight = mean_interval(v);
  EXPECT_NEAR((eight.high - eight.low) / 2, 2.3646 * deviation(v) / std::sqrt(8.0), 2e-3);
  EXPECT_DOUBLE_EQ((eight.high + eight.low) / 2, 4.5);
  v.resize(30, 2.5);
  const Interval thirty = mean_interval(v);
  EXPECT_NEAR((thirty.high - thirty.low) / 2, 2.0452 * deviation(v) / std::sqrt(30.0), 1e-4);
  EXPECT_EQ(error_of([] { mean_interval(Values(7, 1.0)); }), "an interval of a mean needs at least 8 samples, got 7");
}

TEST(TailIndex, OfExactParetoQuantiles) {
  // Ratios to the edge are 2, so α = 16/(16 ln 2).
  Values v(16, 2.0);
  v.push_back(1);
  EXPECT_NEAR(tail_index(v, 16).alpha, 1 / std::log(2.0), 1e-12);
  EXPECT_NE(error_of([] { tail_index(Values(20, 0.0), 16); }).find("none of them 0"), std::string::npos);
}

TEST(NoiseScale, SolvesItsTwoEquations) {
  // ‖g‖² = 25 + 300/b: 55 at b = 10, 28 at b = 100.
  const NoiseScale s = noise_scale(Values{54, 56}, 10, Values{28}, 100);
  EXPECT_NEAR(s.gradient_square, 25, 1e-9);
  EXPECT_NEAR(s.noise_trace, 300, 1e-9);
  EXPECT_NEAR(s.batch, 12, 1e-9);
  EXPECT_TRUE(std::isnan(noise_scale(Values{100}, 1, Values{10}, 10).batch));  // no gradient is left
  EXPECT_NE(error_of([] { noise_scale(Values{1}, 4, Values{1}, 4); }), "");
}

TEST(KeptShare, IsTheTalksExampleOfATruncatedMean) {
  // P(g = 2) = .2, P(−2) = .3, P(3) = .5: E[g 1(|g| ≤ 2)] = −.2 = .5 c · 1.3.
  Values g(30), size(30);
  for (size_t k = 0; k < 30; ++k) g[k] = k < 6 ? 2 : k < 15 ? -2 : 3, size[k] = std::abs(g[k]);
  EXPECT_NEAR(kept_share(g, size, 2), -0.2 / 0.5 / 1.3, 1e-12);
  EXPECT_NEAR(kept_share(g, size, 3), 1, 1e-12);
  EXPECT_TRUE(std::isnan(kept_share(g, size, 1)));
}

TEST(LineFit, OfPointsOnALineIsTheLine) {
  Values x, y;
  for (int k = 0; k < 12; ++k) x.push_back(k), y.push_back(3 + 2 * k);
  const LineFit fit = fit_line(x, y);
  EXPECT_NEAR(fit.intercept, 3, 1e-9);
  EXPECT_NEAR(fit.slope, 2, 1e-9);
  EXPECT_NEAR(fit.r2, 1, 1e-12);
  EXPECT_NEAR(fit.slope_interval.low, 2, 1e-9);
  EXPECT_NEAR(fit.slope_interval.high, 2, 1e-9);
  EXPECT_EQ(fit.n, 12);
}

TEST(LineFit, OfFourPointsTwiceIsTheTextbooks) {
  // x 1 2 3 4, y 2 3 5 6: slope 7/5, intercept 1/2, R² = 49/50.
  const Values x = {1, 2, 3, 4, 1, 2, 3, 4}, y = {2, 3, 5, 6, 2, 3, 5, 6};
  const LineFit fit = fit_line(x, y);
  EXPECT_NEAR(fit.slope, 1.4, 1e-12);
  EXPECT_NEAR(fit.intercept, 0.5, 1e-12);
  EXPECT_NEAR(fit.r2, 0.98, 1e-12);
  EXPECT_TRUE(fit.slope_interval.holds(1.4));
  EXPECT_LT(fit.slope_interval.low, fit.slope_interval.high);
}

TEST(LineFit, RefusesWhatHasNoLine) {
  EXPECT_EQ(error_of([] {
              fit_line(Values(8, 1.0), Values{1, 2, 3, 4, 5, 6, 7, 8});
            }),
            "a line needs two different x, got 8 points at 1");
  Values y(8, 1.0);
  y[3] = std::numeric_limits<double>::infinity();
  EXPECT_NE(error_of([&] { fit_line(Values{1, 2, 3, 4, 5, 6, 7, 8}, y); }).find("finite"), std::string::npos);
}

TEST(Dip, OfEvenlySpacedValuesIsTheLeastPossible) {
  EXPECT_NEAR(dip(Values{1, 2, 3, 4, 5}), 0.1, 1e-12);  // 1/(2n)
}

TEST(Dip, OfTwoFarClustersIsAQuarterLessHalfAStep) {
  // Any single mode misses one of the two rises by half its height. As two atoms they have the largest dip there is.
  EXPECT_NEAR(dip(Values{0, 0, 0, 1, 1, 1}), 0.25, 1e-12);
  EXPECT_NEAR(dip(Values{0, 1e-6, 2e-6, 1, 1 + 1e-6, 1 + 2e-6}), 0.25, 1e-5);
}

TEST(SymmetryTest, SeesNoLeaningInMirroredValues) {
  Values v;
  for (int k = 1; k <= 15; ++k) v.push_back(k * k), v.push_back(-k * k);
  EXPECT_NEAR(symmetry_test(v).leaning, 0, 1e-12);
  EXPECT_NEAR(symmetry_test(v).p, 1, 1e-9);
}

TEST(SymmetryTest, LeansToTheLongerSide) {
  Values v;
  for (int k = 0; k < 25; ++k) v.push_back(std::exp(0.2 * k));
  EXPECT_GT(symmetry_test(v).leaning, 0.15);
  for (double& x : v) x = -x;
  EXPECT_LT(symmetry_test(v).leaning, -0.15);
}

}  // namespace
}  // namespace tacet
