// Normalized SGD with momentum: Cutkosky, Mehta, "Momentum Improves Normalized SGD", ICML 2020. Every step has length η. On
// more than one client g is averaged.
#include <ATen/ops/zeros_like.h>

#include "algorithms/methods.h"

namespace tacet {
namespace {

struct Normalized : Algorithm {
  explicit Normalized(const Values& o) : beta(o.number("beta")), weight_decay(o.number("weight_decay")) {}

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

  double beta, weight_decay;
  Vec m;
};

}  // namespace

std::unique_ptr<Algorithm> make_normalized(const Values& o) { return std::make_unique<Normalized>(o); }

}  // namespace tacet
