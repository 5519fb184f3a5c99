// LARS: You, Gitman, Ginsburg, "Large Batch Training of Convolutional Networks", 2017, Algorithm 1. Momentum SGD in which
// every layer has the rate η · trust · ‖x_ℓ‖/(‖g_ℓ‖ + λ ‖x_ℓ‖): m_ℓ ← μ m_ℓ + rate_ℓ (g_ℓ + λ x_ℓ), x_ℓ ← x_ℓ − m_ℓ. A layer
// with ‖x_ℓ‖ = 0 or no gradient has the rate η. On more than one client g is averaged at every step.
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct Lars : Algorithm {
  void options(OptionList& o) override {
    beta(o, "momentum", mu, 0.9, "heavy-ball momentum μ");
    o.number("weight_decay", lambda, 0, at_least(0), "λ: λx is added to the gradient, and λ‖x_ℓ‖ to its norm");
    o.number("trust", trust, 0.001, above(0), "the layer's rate relative to ‖x_ℓ‖/(‖g_ℓ‖ + λ‖x_ℓ‖)");
  }

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      const Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      const double eta = r.plain(r.rates(t), l2_norm(g));
      if (!m.defined()) m = at::zeros_like(x);
      for (const Layer& l : r.layers) {
        Vec x_l = x.narrow(0, l.offset, l.size), m_l = m.narrow(0, l.offset, l.size);
        const Vec g_l = g.narrow(0, l.offset, l.size);
        const double rate = eta * scale(l2_norm(x_l), l2_norm(g_l));
        m_l.mul_(mu).add_(g_l, rate).add_(x_l, rate * lambda);  // m ← μ m + rate (g + λ x)
        x_l.sub_(m_l);
      }
    }
  }

  // The layer's rate over η.
  double scale(double x, double g) const { return x == 0 || g == 0 ? 1 : trust * x / (g + lambda * x); }

  void state(StateVisitor& v) override { v.global("momentum", m); }

  double mu = 0, lambda = 0, trust = 0;
  Vec m;
};

}  // namespace

AlgorithmInfo lars() {
  return {.name = "lars",
          .paper = "You, Gitman, Ginsburg, 2017, Algorithm 1",
          .summary = "Momentum SGD on averaged gradients with a rate for every layer that follows ‖x_ℓ‖/‖g_ℓ‖.",
          .use = "Convolutional nets and large batches.",
          .vectors_sent = every,
          .collectives = every,
          .create = [] { return std::make_unique<Lars>(); },
          .every_client = true};
}

}  // namespace tacet
