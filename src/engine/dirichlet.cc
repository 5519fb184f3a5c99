// See dirichlet.h.
#include "engine/dirichlet.h"

#include <algorithm>
#include <cmath>

namespace tacet {

// Uses the method of Marsaglia and Tsang (ACM TOMS 26, 2000).
double log_gamma_variate(double alpha, Stream& s) {
  if (alpha < 1) {
    const double boost = std::log(1 - s.uniform()) / alpha;
    return log_gamma_variate(alpha + 1, s) + boost;
  }
  const double d = alpha - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {  // accepts 95 % of its draws or more
    const double x = s.normal(), v = std::pow(1 + c * x, 3);
    if (v > 0 && std::log(1 - s.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

std::vector<double> proportions(std::vector<double> logarithms) {
  const double largest = *std::max_element(logarithms.begin(), logarithms.end());
  double sum = 0;
  for (double& x : logarithms) sum += x = std::exp(x - largest);
  for (double& x : logarithms) x /= sum;
  return logarithms;
}

}  // namespace tacet
