// LAMB: You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 Minutes", ICLR 2020, Algorithm 2.
// Adam's direction with decoupled decay, rescaled so that the step in every layer has length η φ(‖x_ℓ‖), with φ(z) = z
// between `phi_min` and `phi_max`. A layer with ‖x_ℓ‖ = 0 or ‖p_ℓ + λ x_ℓ‖ = 0 is not rescaled. On more than one client g is
// averaged at every step.
#include <algorithm>
#include <cmath>

#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct Lamb : Algorithm {
  void options(OptionList& o) override {
    beta(o, "beta1", beta1, 0.9, "β₁ of the first moment");
    beta(o, "beta2", beta2, 0.999, "β₂ of the second moment");
    o.number("epsilon", epsilon, 1e-6, above(0), "ε: added to the second moment's root");
    o.number("weight_decay", lambda, 0.01, at_least(0), "λ: λx is added to Adam's direction before the layer is rescaled");
    o.number("phi_min", phi_min, 0, at_least(0), "least value of φ(‖x_ℓ‖)");
    o.number("phi_max", phi_max, infinity, above_or_infinite(0), "greatest value of φ(‖x_ℓ‖)");
  }

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      const Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      const double eta = r.plain(r.rates(t), l2_norm(g));
      if (!m.defined()) m = at::zeros_like(x), v = at::zeros_like(x);
      steps += 1;
      average_in(m, g, beta1);                  // m ← β₁ m + (1 − β₁) g
      v.mul_(beta2).addcmul_(g, g, 1 - beta2);  // v ← β₂ v + (1 − β₂) g²
      Vec p = (m / (1 - std::pow(beta1, steps))).div_((v / (1 - std::pow(beta2, steps))).sqrt_().add_(epsilon));
      if (lambda != 0) p.add_(x, lambda);
      for (const Layer& l : r.layers) {
        Vec x_l = x.narrow(0, l.offset, l.size);
        const Vec p_l = p.narrow(0, l.offset, l.size);
        x_l.sub_(p_l, eta * scale(l2_norm(x_l), l2_norm(p_l)));
      }
    }
  }

  // φ(‖x_ℓ‖)/‖p_ℓ‖
  double scale(double x, double p) const { return x == 0 || p == 0 ? 1 : std::clamp(x, phi_min, phi_max) / p; }

  void state(StateVisitor& visitor) override {
    visitor.global("m", m);
    visitor.global("v", v);
    visitor.number("steps", steps);
  }

  double beta1 = 0, beta2 = 0, epsilon = 0, lambda = 0, phi_min = 0, phi_max = 0;
  double steps = 0;
  Vec m, v;
};

}  // namespace

AlgorithmInfo lamb() {
  return {
      .name = "lamb",
      .paper = "You et al., ICLR 2020, Algorithm 2",
      .summary = "Adam on averaged gradients whose steps are rescaled layer by layer to the size of the layer's weights.",
      .use = "Deep nets and large batches; what fed-lamb is compared with.",
      .vectors_sent = every,
      .collectives = every,
      .create = [] { return std::make_unique<Lamb>(); },
      .every_client = true};
}

}  // namespace tacet
