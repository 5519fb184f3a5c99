// Naive parallel SGDClip: the baseline of CELGC's and EPISODE's papers. Gradients are averaged at EVERY step and the
// averaged gradient is clipped, so all ranks hold the same x at all times. One flat message a step: as strong as such a
// baseline can be.
#include "algorithms/common_options.h"
#include "algorithms/layerwise.h"

namespace tacet {
namespace {

struct NaiveClip : Algorithm {
  void options(OptionList& o) override {
    clipped_step_rule(o, rule);
    by_layer(o, per_layer);
    by_coordinate(o, per_coordinate);
  }

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      const double norm = add_decay(g, l2_norm(g), x, rule);                     // λ inside the norm where asked
      const auto a = [&](double length) { return r.clip(r.rates(t), length); };  // min(η, γ/‖g‖) of the AVERAGED gradient
      if (rule.momentum != 0 && !m.defined()) m = x.clone().zero_();
      if (per_layer)
        descend_by_layer(x, g, r.layers, a, rule, &m);
      else if (per_coordinate)
        descend_by_coordinate(x, g, r.rates(t), 0, a, rule, &m);
      else
        descend(x, g, a(norm), rule, &m);
    }
  }

  void state(StateVisitor& v) override { v.global("momentum", m); }

  StepRule rule;
  bool per_layer = false, per_coordinate = false;
  Vec m;
};

}  // namespace

AlgorithmInfo naive_clip() {
  return {.name = "naive-clip",
          .paper = "baseline in Liu et al., NeurIPS 2022, section 5",
          .summary = "Synchronous clipped SGD: gradients are averaged at every step and the average is clipped.",
          .use = "A fast network; the reference for what rare talking costs.",
          .vectors_sent = every,
          .collectives = every,
          .create = [] { return std::make_unique<NaiveClip>(); },
          .clips = Clips::always};
}

}  // namespace tacet
