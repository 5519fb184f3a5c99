// Mixed clipping: Zhang, Jin, Fang, Wang, "Improved Analysis of Clipping Algorithms for Non-convex Optimization", NeurIPS
// 2020, Algorithm 1. ν = 0 is clipped SGD, ν = 1 momentum clipping, β = 0 and any ν clipped SGD again. On more than one
// client, g is the average of the clients' gradients.
#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct MixedClip : Algorithm {
  void options(OptionList& o) override {
    o.number("beta", beta, 0.9, half_open(0, 1), "β of the momentum");
    o.number("nu", nu, 0.7, within(0, 1), "ν: share of the momentum's step; 0 is clipped SGD");
  }

  void round(Round& r, Vec& x) override {
    double norms = 0, clipped = 0;  // of m
    for (int t = 0; t < r.I; ++t) {
      const Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      if (!m.defined()) m = x.clone().zero_();
      average_in(m, g, beta);  // m ← β m + (1 − β) g
      const double along_m = l2_norm(m), along_g = l2_norm(g);
      const double a = r.clip(r.rates(t), along_g);  // counted: the figures are those of ‖g‖
      if (nu > 0) descend(x, m, nu * r.clip_uncounted(r.rates(t), along_m), {}, nullptr);
      if (nu < 1) descend(x, g, (1 - nu) * a, {}, nullptr);
      norms += along_m;
      clipped += r.clip_uncounted(r.rates(t), along_m) < r.rates(t).eta;
    }
    r.note("momentum_norm", norms / r.I);
    r.note("momentum_clipped_fraction", clipped / r.I);
  }

  void state(StateVisitor& v) override { v.global("momentum", m); }

  double beta = 0, nu = 0;
  Vec m;
};

}  // namespace

AlgorithmInfo mixed_clip() {
  return {.name = "mixed-clip",
          .paper = "Zhang, Jin, Fang, Wang, NeurIPS 2020, Algorithm 1",
          .summary = "A mix of clipped SGD and momentum clipping.",
          .use = "One machine or a fast network, noisy exploding gradients.",
          .vectors_sent = every,
          .collectives = every,
          .create = [] { return std::make_unique<MixedClip>(); },
          .clips = Clips::always,
          .every_client = true};
}

}  // namespace tacet
