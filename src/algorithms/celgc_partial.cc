// CELGC with partial communication: appendix E.5 of "A Communication-Efficient Distributed Gradient Clipping Algorithm for
// Training Deep Neural Networks" (ICLR 2022 submission). All N clients train their own model all the time; at each
// communication the sampled ones average and restart from their average, the others go on with what they have. x is the last
// average: the model that was communicated.
#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct CelgcPartial : Algorithm {
  void options(OptionList& o) override {
    clipped_step_rule(o, rule);
    average_at_pass_end(o);
  }

  void round(Round& r, Vec& x) override {
    x = r.partial_mean(x, [&](Client& i) {
      const bool first = !own.has(i);
      Vec& x_i = own.at(i, x);
      Vec y = i.start(first ? x : x_i);
      for (int t = 0; t < i.steps(); ++t) {
        auto [g, norm] = i.gradient(y);
        if (i.skips()) continue;
        norm = add_decay(g, norm, y, rule);         // λ inside the norm where asked
        const double a = i.clip(r.rates(t), norm);  // min(η, γ/‖g‖)
        descend(y, g, a, rule, rule.momentum != 0 ? &m.at(i, y) : nullptr);
      }
      x_i.copy_(y);
      return y;
    });
    for (auto& [id, x_i] : own.all())
      if (r.sampled(id)) x_i.copy_(x);
  }

  void state(StateVisitor& v) override {
    v.clients("models", own);
    v.clients("momentum", m);
  }

  StepRule rule;
  PerClient own, m;
};

}  // namespace

AlgorithmInfo celgc_partial() {
  return {.name = "celgc-partial",
          .paper = "Liu et al., appendix E.5: partial communication",
          .summary = "CELGC in which only the sampled clients average; the others go on training their own models.",
          .use = "Some workers miss a communication now and then but never stop computing.",
          .create = [] { return std::make_unique<CelgcPartial>(); },
          .clips = Clips::always,
          .keeps_models = true,
          .fresh_models = true,
          .own_steps = true};
}

}  // namespace tacet
