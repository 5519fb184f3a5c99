// See symmetry_test.h. With three values in order, the triple leans right where the middle one is nearer to the smallest.
#include "analysis/symmetry_test.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "analysis/statistics.h"

namespace tacet {
namespace {

// Returns 1/3 for a triple that leans right, −1/3 for one that leans left, 0 for one in balance. Takes values in order.
double lean(double low, double middle, double high) {
  const double d = (high - middle) - (middle - low);
  return d > 0 ? 1.0 / 3 : d < 0 ? -1.0 / 3 : 0;
}

}  // namespace

SymmetryTest symmetry_test(std::span<const double> values) {
  constexpr size_t most = 300;
  require_samples("a test of symmetry", 20, values.size());
  std::vector<double> v(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(std::min(most, values.size())));
  std::sort(v.begin(), v.end());
  const size_t n = v.size();
  std::vector<double> of_one(n), of_two(n * n);  // sums of the leanings of all triples with these values
  double all = 0, squares = 0;
  for (size_t i = 0; i < n; ++i)
    for (size_t j = i + 1; j < n; ++j)
      for (size_t k = j + 1; k < n; ++k) {
        const double t = lean(v[i], v[j], v[k]);
        all += t, squares += t * t;
        of_one[i] += t, of_one[j] += t, of_one[k] += t;
        of_two[i * n + j] += t, of_two[i * n + k] += t, of_two[j * n + k] += t;
      }
  const auto N = static_cast<double>(n);
  const double triples = N * (N - 1) * (N - 2) / 6;
  SymmetryTest test{all / triples};
  test.n = static_cast<int64_t>(n);
  // Variances of the leaning given one, two and three of a triple's values.
  double z1 = 0, z2 = 0;
  for (double s : of_one) z1 += std::pow(s / ((N - 1) * (N - 2) / 2) - test.leaning, 2) / N;
  for (size_t i = 0; i < n; ++i)
    for (size_t j = i + 1; j < n; ++j) z2 += std::pow(of_two[i * n + j] / (N - 2) - test.leaning, 2) / (N * (N - 1) / 2);
  const double z3 = 1.0 / 9 - test.leaning * test.leaning;
  const double variance = (3 * (N - 3) * (N - 4) / 2 * z1 + 3 * (N - 3) * z2 + z3) / triples;
  if (variance > 0 && squares > 0) test.z = test.leaning / std::sqrt(variance);
  test.p = std::erfc(std::abs(test.z) / std::sqrt(2.0));
  return test;
}

}  // namespace tacet
