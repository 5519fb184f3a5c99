// See statistics.h.
#include "analysis/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "tacet/error.h"

namespace tacet {
namespace {

constexpr double no_figure = std::numeric_limits<double>::quiet_NaN();

std::vector<double> ascending(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

// Returns P(X = k) for X ~ Binomial(n, q).
double binomial(int64_t n, int64_t k, double q) {
  const auto N = static_cast<double>(n), K = static_cast<double>(k);
  if (q <= 0 || q >= 1) return (q <= 0 ? k == 0 : k == n) ? 1 : 0;
  return std::exp(std::lgamma(N + 1) - std::lgamma(K + 1) - std::lgamma(N - K + 1) + K * std::log(q) +
                  (N - K) * std::log1p(-q));
}

// Returns P(X ≤ k).
double binomial_tail(int64_t n, int64_t k, double q) {
  double sum = 0;
  for (int64_t j = 0; j <= k; ++j) sum += binomial(n, j, q);
  return std::min(1.0, sum);
}

double mean_square_deviation(std::span<const double> values) {
  const double m = mean(values);
  double sum = 0;
  for (double v : values) sum += (v - m) * (v - m);
  return sum;
}

}  // namespace

void require_samples(const std::string& what, size_t need, size_t given) {
  if (given < need) throw UserError(fmt::format("{} needs at least {} samples, got {}", what, need, given));
}

double mean(std::span<const double> values) {
  require_samples("a mean", 1, values.size());
  double sum = 0;
  for (double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double deviation(std::span<const double> values) {
  require_samples("a deviation", 2, values.size());
  return std::sqrt(mean_square_deviation(values) / static_cast<double>(values.size() - 1));
}

double skewness(std::span<const double> values) {
  require_samples("a skewness", 3, values.size());
  // The mean of equal values may differ from them in its last digit, and the ratio below would be near 1.
  if (const auto [least, most] = std::minmax_element(values.begin(), values.end()); *least == *most) return 0;
  const double m = mean(values), n = static_cast<double>(values.size());
  double cubes = 0;
  for (double v : values) cubes += std::pow(v - m, 3);
  const double square = mean_square_deviation(values) / n;
  if (square == 0) return 0;
  return std::sqrt(n * (n - 1)) / (n - 2) * (cubes / n) / std::pow(square, 1.5);
}

double quantile(std::span<const double> values, double q) {
  require_samples("a quantile", 1, values.size());
  const std::vector<double> sorted = ascending(values);
  const double at = std::clamp(q, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Interval mean_interval(std::span<const double> values) {
  require_samples("an interval of a mean", 8, values.size());
  // The 0.975 quantile of t with ν degrees of freedom, by its expansion in 1/ν about the Gaussian's; from ν = 7 on it is
  // right to three digits.
  constexpr double z = 1.959963985;
  const auto n = static_cast<double>(values.size());
  const double v = n - 1, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  const double t = z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v) +
                   (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * v * v * v);
  const double m = mean(values), side = t * deviation(values) / std::sqrt(n);
  return {m - side, m + side};
}

Interval quantile_interval(std::span<const double> values, double q, double confidence) {
  const double side = (1 - confidence) / 2;
  const auto n = static_cast<int64_t>(values.size());
  // v_(r) ≤ quantile has probability P(X ≥ r), X ~ Binomial(n, q).
  const double rarer = std::max(q, 1 - q);
  const auto need = static_cast<size_t>(std::ceil(std::log(side) / std::log(rarer)));
  require_samples(fmt::format("an interval of {:g} % for the {:g} quantile", 100 * confidence, q), need, values.size());
  const std::vector<double> sorted = ascending(values);
  int64_t low = 0, high = n - 1;
  double below = 0;  // P(X ≤ k)
  for (int64_t k = 0; k < n; ++k) {
    below += binomial(n, k, q);
    if (below <= side) low = k;  // P(X ≤ low) ≤ side: the value of rank low + 1, counted from 1
    if (below >= 1 - side) {
      high = k;
      break;
    }
  }
  return {sorted[static_cast<size_t>(low)], sorted[static_cast<size_t>(high)]};
}

SignTest sign_test(std::span<const double> values, double centre) {
  SignTest test;
  for (double v : values) {
    test.above += v > centre;
    test.below += v < centre;
  }
  const int64_t n = test.above + test.below;
  require_samples("a sign test", 6, static_cast<size_t>(n));
  test.p = std::min(1.0, 2 * binomial_tail(n, std::min(test.above, test.below), 0.5));
  return test;
}

TailIndex tail_index(std::span<const double> values, int64_t k) {
  constexpr int64_t least = 16;
  std::vector<double> sizes;
  for (double v : values) sizes.push_back(std::abs(v));
  std::sort(sizes.begin(), sizes.end(), std::greater<>());
  if (k == 0) {
    require_samples("a tail index", 10 * least, sizes.size());
    k = static_cast<int64_t>(sizes.size()) / 10;
  }
  require_samples("a tail index", static_cast<size_t>(std::max(k, least) + 1), sizes.size());
  const double edge = sizes[static_cast<size_t>(k)];
  if (k < least || edge == 0)
    throw UserError(fmt::format("a tail index needs at least {} values in the tail and none of them 0, got {} above {:g}",
                                least, k, edge));
  double sum = 0;
  for (int64_t j = 0; j < k; ++j) sum += std::log(sizes[static_cast<size_t>(j)] / edge);
  const auto many = static_cast<double>(k);
  const double alpha = sum > 0 ? many / sum : std::numeric_limits<double>::infinity();
  const double width = 1.96 / std::sqrt(many);
  return {alpha, {alpha * (1 - width), alpha * (1 + width)}, k};
}

NoiseScale noise_scale(std::span<const double> small_squares, double b, std::span<const double> big_squares, double B) {
  if (!(b > 0 && B > b)) throw UserError(fmt::format("a noise scale needs batches 0 < b < B, got b = {:g}, B = {:g}", b, B));
  const double small = mean(small_squares), big = mean(big_squares);
  NoiseScale s;
  s.gradient_square = (B * big - b * small) / (B - b);
  s.noise_trace = (small - big) / (1 / b - 1 / B);
  s.batch = s.gradient_square > 0 ? s.noise_trace / s.gradient_square : no_figure;
  return s;
}

double kept_share(std::span<const double> along, std::span<const double> norms, double alpha) {
  require_samples("the share of Lemma 1", 30, std::min(along.size(), norms.size()));
  double kept = 0, count = 0;
  for (size_t k = 0; k < along.size(); ++k) {
    if (norms[k] > alpha) continue;
    kept += along[k];
    ++count;
  }
  return count > 0 ? kept / count / mean(along) : no_figure;
}

}  // namespace tacet
