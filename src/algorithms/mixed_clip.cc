// Mixed clipping: Zhang, Jin, Fang, Wang, "Improved Analysis of Clipping Algorithms for Non-convex Optimization", NeurIPS
// 2020, Algorithm 1. ν = 0 is clipped SGD, ν = 1 momentum clipping, β = 0 and any ν clipped SGD again. On more than one
// client, g is the average of the clients' gradients.
#include "algorithms/methods.h"

namespace tacet {
namespace {

struct MixedClip : Algorithm {
  explicit MixedClip(const Values& o) : beta(o.number("beta")), nu(o.number("nu")) {}

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      const Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      if (!m.defined()) m = x.clone().zero_();
      average_in(m, g, beta);  // m ← β m + (1 − β) g
      if (nu > 0) descend(x, m, nu * r.clip(r.rates(t), l2_norm(m)), {}, nullptr);
      if (nu < 1) descend(x, g, (1 - nu) * r.clip(r.rates(t), l2_norm(g)), {}, nullptr);
    }
  }

  void state(StateVisitor& v) override { v.global("momentum", m); }

  double beta, nu;
  Vec m;
};

}  // namespace

std::unique_ptr<Algorithm> make_mixed_clip(const Values& o) { return std::make_unique<MixedClip>(o); }

}  // namespace tacet
