// Normalized SGD with momentum: Cutkosky, Mehta, "Momentum Improves Normalized SGD", ICML 2020. Every step has length η. On
// more than one client g is averaged.
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct Normalized : Algorithm {
  void options(OptionList& o) override {
    o.number("beta", beta, 0.9, half_open(0, 1), "β of the momentum");
    tacet::weight_decay(o, weight_decay);
  }

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      const double eta = r.plain(r.rates(t), l2_norm(g));
      if (!m.defined()) m = at::zeros_like(x);
      if (weight_decay != 0) g.add_(x, weight_decay);
      average_in(m, g, beta);  // m ← β m + (1 − β) g
      const double length = l2_norm(m);
      if (length > 0) descend(x, m, eta / length, {}, nullptr);
    }
  }

  void state(StateVisitor& v) override { v.global("momentum", m); }

  double beta = 0, weight_decay = 0;
  Vec m;
};

}  // namespace

AlgorithmInfo normalized() {
  return {.name = "normalized",
          .paper = "Cutkosky, Mehta, ICML 2020",
          .summary = "Normalized SGD with momentum: every step has length η.",
          .use = "One machine or a fast network, exploding gradients with little noise.",
          .vectors_sent = every,
          .collectives = every,
          .create = [] { return std::make_unique<Normalized>(); },
          .every_client = true};
}

}  // namespace tacet
