// Generalized SignSGD: Crawshaw, Liu, Orabona, Zhang, Zhuang, "Robustness to Unbounded Smoothness of Generalized SignSGD",
// NeurIPS 2022, Algorithm 1. The second moment is of m, NOT of g: that is the difference from Adam. β₂ = 0 is SignSGD with
// momentum. 0/0 is 0, and where m² underflows the sign of m is taken, the ratio's limit. On more than one client g is
// averaged.
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct SignSgd : Algorithm {
  void options(OptionList& o) override {
    beta(o, "beta1", beta1, 0.9, "β₁ of the first moment");
    beta(o, "beta2", beta2, 0.999, "β₂ of the second moment");
    tacet::weight_decay(o, weight_decay);
  }

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      const double eta = r.plain(r.rates(t), l2_norm(g));
      if (!m.defined()) m = at::zeros_like(x), v = at::zeros_like(x);
      if (weight_decay != 0) g.add_(x, weight_decay);
      average_in(m, g, beta1);                  // m ← β₁ m + (1 − β₁) g
      v.mul_(beta2).addcmul_(m, m, 1 - beta2);  // v ← β₂ v + (1 − β₂) m²
      const Vec ratio = beta2 == 0 ? m.sign() : at::where(v > 0, m / v.sqrt(), m.sign());
      x.sub_(ratio, eta);  // x ← x − η m/√v
    }
  }

  void state(StateVisitor& visitor) override {
    visitor.global("m", m);
    visitor.global("v", v);
  }

  double beta1 = 0, beta2 = 0, weight_decay = 0;
  Vec m, v;
};

}  // namespace

AlgorithmInfo sign_sgd() {
  return {.name = "sign-sgd-gen",
          .paper = "Crawshaw et al., NeurIPS 2022, Algorithm 1",
          .summary = "Generalized SignSGD: momentum divided by the root of its own second moment.",
          .use = "Transformers, where it stands in for Adam.",
          .vectors_sent = every,
          .collectives = every,
          .create = [] { return std::make_unique<SignSgd>(); },
          .every_client = true};
}

}  // namespace tacet
