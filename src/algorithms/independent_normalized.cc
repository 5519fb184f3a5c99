// Independently normalised SGD, I-NSGD: Yang, Tripp, Sun, Zou, Zhou, "Independently-Normalized SGD for Generalized-Smooth
// Nonconvex Optimization", 2024.
// The gradient of one mini-batch is divided by a power of the length of another one's, so that the step is unbiased in
// direction; h ≥ 1 clips. The constants of h are those of a bound on the noise, ‖∇f_ξ − ∇f‖ ≤ A‖∇f‖ + δ, and a gain. On more
// than one client both gradients are averaged.
#include <algorithm>
#include <cmath>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct IndependentNormalized : Algorithm {
  void options(OptionList& o) override {
    o.number("power", power, 1, left_open(0, 1), "β: the step is η g/h^β");
    o.number("gain", gain, 1, above(0), "Γ in h = max(1, Γ(A‖g'‖ + δ))");
    o.number("noise_slope", noise_slope, 1, above(0), "A in h");
    o.number("noise_floor", noise_floor, 0, at_least(0), "δ in h");
  }

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      const auto mean = r.means(2, [&](Client& i) {
        const Vec g = i.gradient(x).g.clone();  // the next call writes over it
        return std::vector<Vec>{g, i.resample(x)};
      });
      const double h = std::max(1.0, gain * (noise_slope * l2_norm(mean[1]) + noise_floor));
      const double eta = r.plain(r.rates(t), l2_norm(mean[0]));
      descend(x, mean[0], eta / std::pow(h, power), {}, nullptr);
    }
  }

  double power = 1, gain = 1, noise_slope = 1, noise_floor = 0;
};

}  // namespace

AlgorithmInfo independent_normalized() {
  return {.name = "i-nsgd",
          .paper = "Yang, Tripp, Sun, Zou, Zhou, 2024",
          .summary = "SGD whose step is divided by a power of the length of an independent mini-batch's gradient.",
          .use = "One machine or a fast network, exploding gradients whose noise biases clipping.",
          .vectors_sent = [](int I) { return 2.0 * I; },
          .collectives = every,
          .resamples = [](const Values&, int I) { return static_cast<double>(I); },
          .create = [] { return std::make_unique<IndependentNormalized>(); },
          .every_client = true};
}

}  // namespace tacet
