// Implements privacy.h. Clients drawn by themselves: Mironov, Talwar, Zhang, "Rényi Differential Privacy of the Sampled
// Gaussian Mechanism", 2019, whose integral is taken as it stands. A fixed number: Wang, Balle, Kasiviswanathan, "Subsampled
// Rényi Differential Privacy and Analytical Moments Accountant", AISTATS 2019, Theorem 9. From divergences to ε: Canonne,
// Kamath, Steinke, "The Discrete Gaussian for Differential Privacy", NeurIPS 2020, Proposition 12.
#include "analysis/privacy.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <vector>

namespace tacet {
namespace {

// Noise below which drawing clients hides nobody and the integral would only take long.
constexpr double least_noise = 0.05;

// Returns log Σ exp(v).
double log_sum_exp(const std::vector<double>& v) {
  const double most = *std::max_element(v.begin(), v.end());
  double sum = 0;
  for (const double x : v) sum += std::exp(x - most);
  return most + std::log(sum);
}

// Returns log C(n, k).
double log_binomial(double n, double k) { return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1); }

// Returns the divergence of the Gaussian mixture (1 − q) N(0, z²) + q N(1, z²) from N(0, z²), the larger of the two: with
// x from N(0, z²) the mean of (1 − q + q exp((2x − 1)/(2z²)))^α. The trapezoidal rule is exact to rounding on it, since the
// integrand is smooth on the scale of z and falls like a Gaussian beyond 0 and α.
double by_themselves(double z, double q, double order) {
  const double of_everybody = order / (2 * z * z);  // drawing only makes it smaller
  if (q == 1 || z < least_noise) return of_everybody;
  const double step = z / 32, begin = -12 * z, end = order + 12 * z;
  std::vector<double> logs;
  for (double x = begin; x <= end; x += step) {
    const double ratio = std::log(q) + (2 * x - 1) / (2 * z * z), none = std::log1p(-q);
    const double most = std::max(ratio, none), mixture = most + std::log1p(std::exp(std::min(ratio, none) - most));
    logs.push_back(-x * x / (2 * z * z) + order * mixture);
  }
  const double integral = log_sum_exp(logs) + std::log(step / z / std::sqrt(2 * M_PI));
  return std::max(0.0, integral / (order - 1));
}

// Returns the bound for a fixed number of clients. Other data of a client move the sum by up to twice what it adds, so that
// all clients together have the divergence 2α/z², and those of a sample no more.
double fixed_number(double z, double q, double order) {
  assert(order == std::floor(order));
  const auto of_all = [z](double alpha) { return 2 * alpha / (z * z); };
  if (q == 1) return of_all(order);
  const double pair = std::log(std::min(4 * std::expm1(of_all(2)), 2 * std::exp(of_all(2))));
  std::vector<double> logs = {0, 2 * std::log(q) + log_binomial(order, 2) + pair};
  for (double j = 3; j <= order; ++j)
    logs.push_back(j * std::log(q) + log_binomial(order, j) + (j - 1) * of_all(j) + std::log(2));
  return std::min(of_all(order), log_sum_exp(logs) / (order - 1));
}

// Returns the orders among which the best one is looked for.
std::vector<double> orders_of(ClientDraw drawn) {
  std::vector<double> orders;
  if (drawn == ClientDraw::by_themselves)
    for (int tenths = 1; tenths < 100; ++tenths) orders.push_back(1 + tenths / 10.0);
  for (int whole = drawn == ClientDraw::by_themselves ? 11 : 2; whole < 64; ++whole) orders.push_back(whole);
  for (double more = 64; more <= 1024; more = std::floor(more * 1.2)) orders.push_back(more);
  return orders;
}

}  // namespace

double renyi_divergence(const NoisyRound& round, double order) {
  assert(round.noise > 0 && round.rate > 0 && round.rate <= 1 && order > 1);
  return (round.drawn == ClientDraw::by_themselves ? by_themselves : fixed_number)(round.noise, round.rate, order);
}

PrivacyLoss privacy_loss(const NoisyRound& round, int64_t rounds, double delta) {
  assert(rounds >= 0 && delta > 0 && delta < 1);
  if (rounds == 0) return {};
  PrivacyLoss best{std::numeric_limits<double>::infinity(), 0};
  for (const double order : orders_of(round.drawn)) {
    const double all = static_cast<double>(rounds) * renyi_divergence(round, order);
    const double epsilon = all + std::log1p(-1 / order) - (std::log(delta) + std::log(order)) / (order - 1);
    if (epsilon < best.epsilon) best = {std::max(0.0, epsilon), order};
  }
  return best;
}

}  // namespace tacet
