// SGD with gradient clipping on one machine: x ← x − min(η, γ/‖g‖) g (Zhang, He, Sra, Jadbabaie, "Why Gradient Clipping
// Accelerates Training", ICLR 2020, equation 5). Never communicates: with one client a mean is no message.
#include "algorithms/common_options.h"
#include "algorithms/layerwise.h"

namespace tacet {
namespace {

struct SgdClip : Algorithm {
  void options(OptionList& o) override {
    clipped_step_rule(o, rule);
    least_factor(o, delta);
    by_layer(o, per_layer);
    by_coordinate(o, per_coordinate);
  }

  void round(Round& r, Vec& x) override {
    x = r.mean([&](Client& i) {
      Vec y = i.start(x);
      auto [g, norm] = i.gradient(y);
      if (i.skips()) return y;
      norm = add_decay(g, norm, y, rule);                                               // λ inside the norm where asked
      const auto a = [&](double length) { return i.clip(r.rates(0), length, delta); };  // min(η, max(δη, γ/‖g‖))
      Vec* m_i = rule.momentum != 0 ? &m.at(i, y) : nullptr;
      if (per_layer)
        descend_by_layer(y, g, r.layers, a, rule, m_i);
      else if (per_coordinate)
        descend_by_coordinate(y, g, r.rates(0), delta, a, rule, m_i);
      else
        descend(y, g, a(norm), rule, m_i);
      return y;
    });
  }

  void state(StateVisitor& v) override { v.clients("momentum", m); }

  StepRule rule;
  double delta = 0;
  bool per_layer = false, per_coordinate = false;
  PerClient m;
};

}  // namespace

AlgorithmInfo sgd_clip() {
  return {.name = "sgd-clip",
          .paper = "Zhang et al., ICLR 2020, equation 5",
          .summary = "Clipped SGD on one machine.",
          .use = "One machine; the reference for speed-up in the number of clients.",
          .vectors_sent = none,
          .collectives = none,
          .create = [] { return std::make_unique<SgdClip>(); },
          .clips = Clips::always,
          .single_client = true,
          .fresh_models = true};
}

}  // namespace tacet
