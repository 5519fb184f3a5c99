// Figures of a sample and their intervals: quantiles, skewness, the sign test, the tail's index, the noise scale. Each says
// how many values it needs, and throws UserError for fewer. Lines, modality and symmetry have files of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace tacet {

struct Interval {
  double low = 0, high = 0;
  bool holds(double value) const { return low <= value && value <= high; }
};

// Throws UserError where a figure needs more samples than there are: "a line's interval needs at least 8 points, got 3".
void require_samples(const std::string& what, size_t need, size_t given);

double mean(std::span<const double> values);       // needs 1
double deviation(std::span<const double> values);  // of the sample, over n − 1; needs 2
// Returns the adjusted Fisher–Pearson skewness, 0 where all values are equal. Needs 3.
double skewness(std::span<const double> values);

// Returns the q-quantile, 0 ≤ q ≤ 1, between the two nearest values. Needs 1.
double quantile(std::span<const double> values, double q);
// Returns the interval of a mean by Student's t at 95 %: m ± t s/√n. Needs 8.
Interval mean_interval(std::span<const double> values);
// Returns the interval of a quantile that its order statistics give, without assumptions on the distribution. Throws
// UserError where the sample is too small for one at this confidence.
Interval quantile_interval(std::span<const double> values, double q, double confidence = 0.95);

// The share of values above a centre. Under a distribution with that median it is near one half.
struct SignTest {
  int64_t above = 0, below = 0;  // values equal to the centre count nowhere
  double p = 1;                  // two-sided, exact
};
// Tests that the median is `centre`, which must not be made from the same values. Needs 6: with fewer no result would be
// below 5 %.
SignTest sign_test(std::span<const double> values, double centre = 0);

// The tail index α of Hill: P(|v| > t) falls like t^−α. Moments of order α and above don't exist. A Gaussian's grows with
// the sample.
struct TailIndex {
  double alpha = 0;
  Interval interval;  // of 95 %, asymptotic: α (1 ± 1.96/√k)
  int64_t k = 0;      // the largest values that it is made from
};
// Takes the k largest of |values|, or a tenth of them where k is 0. Needs 16 of them, none zero.
TailIndex tail_index(std::span<const double> values, int64_t k = 0);

// The gradient noise scale S/|G|² of McCandlish et al., arXiv:1812.06162: the batch at which noise and gradient are equal.
// |G|² and S are averaged apart, since their ratio is biased.
struct NoiseScale {
  double gradient_square = 0;  // |G|², of the true gradient; an estimate, which may come out negative
  double noise_trace = 0;      // S, the trace of one sample's covariance
  double batch = 0;            // S/|G|²; NaN where |G|² is not above 0
};
// Takes ‖g‖² of gradients at batch b and at batch B > b. Needs 1 of each.
NoiseScale noise_scale(std::span<const double> small_squares, double b, std::span<const double> big_squares, double B);

// Returns the factor c of Lemma 1 (Liu et al., NeurIPS 2022) along the mean gradient: E[p 1(‖g‖ ≤ α)] = P(‖g‖ ≤ α) c E[p].
// `along` has p = ⟨g, ḡ⟩/‖ḡ‖ with an independent ḡ, `norms` has ‖g‖. NaN where no gradient is within α. Needs 30.
double kept_share(std::span<const double> along, std::span<const double> norms, double alpha);

}  // namespace tacet
