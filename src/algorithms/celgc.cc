// CELGC, Communication-Efficient Local Gradient Clipping: Liu, Zhuang, Lei, Liao, "A Communication-Efficient Distributed
// Gradient Clipping Algorithm for Training Deep Neural Networks", NeurIPS 2022, Algorithm 1. Each client clips by its OWN
// gradient's norm, before weight decay; momentum stays on its client and is not averaged (both as in the published code).
#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct Celgc : Algorithm {
  void options(OptionList& o) override { step_rule(o, rule); }

  void round(Round& r, Vec& x) override {
    x = r.mean(x, [&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        const auto [g, norm] = i.gradient(y);
        const double a = i.clip(r.rates(t), norm);  // min(η, γ/‖g‖)
        descend(y, g, a, rule, rule.momentum != 0 ? &m.at(i, y) : nullptr);
      }
      return y;
    });
  }

  void state(StateVisitor& v) override { v.clients("momentum", m); }

  StepRule rule;
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
