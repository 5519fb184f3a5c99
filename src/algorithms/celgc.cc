// CELGC, Communication-Efficient Local Gradient Clipping: Liu, Zhuang, Lei, Liao, "A Communication-Efficient Distributed
// Gradient Clipping Algorithm for Training Deep Neural Networks", NeurIPS 2022, Algorithm 1. Each client clips by its OWN
// gradient's norm, before weight decay unless `decay_in_norm`. Momentum stays on its client and is not averaged, as in the
// published code.
#include "algorithms/common_options.h"
#include "algorithms/layerwise.h"

namespace tacet {
namespace {

struct Celgc : Algorithm {
  void options(OptionList& o) override {
    clipped_step_rule(o, rule);
    least_factor(o, delta);
    by_layer(o, per_layer);
    average_at_pass_end(o);
    by_coordinate(o, per_coordinate);
    bounded_update(o, max_update);
  }

  void round(Round& r, Vec& x) override {
    x = r.mean(x, [&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        auto [g, norm] = i.gradient(y);
        if (i.skips()) continue;
        norm = add_decay(g, norm, y, rule);                                               // λ inside the norm where asked
        const auto a = [&](double length) { return i.clip(r.rates(t), length, delta); };  // min(η, max(δη, γ/‖g‖))
        Vec* m_i = rule.momentum != 0 ? &m.at(i, y) : nullptr;
        if (per_layer)
          descend_by_layer(y, g, r.layers, a, rule, m_i);
        else if (per_coordinate)
          descend_by_coordinate(y, g, r.rates(t), delta, a, rule, m_i);
        else
          descend(y, g, a(norm), rule, m_i);
      }
      shorten_change(y, x, max_update);
      return y;
    });
  }

  void state(StateVisitor& v) override { v.clients("momentum", m); }

  StepRule rule;
  double delta = 0;
  bool per_layer = false, per_coordinate = false;
  double max_update = infinity;
  PerClient m;
};

}  // namespace

AlgorithmInfo celgc() {
  return {.name = "celgc",
          .paper = "Liu et al., NeurIPS 2022, Algorithm 1",
          .summary =
              "Local clipped steps: every client takes I steps clipped by its own gradient's norm, then the models are "
              "averaged.",
          .use = "Exploding gradients, similar data on all clients, a slow network: the first one to try.",
          .create = [] { return std::make_unique<Celgc>(); },
          .clips = Clips::always,
          .fresh_models = true,
          .short_steps = true,
          .own_steps = true};
}

}  // namespace tacet
