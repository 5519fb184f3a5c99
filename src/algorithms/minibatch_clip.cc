// Clipped minibatch SGD: Crawshaw, Bao, Liu, "Federated Learning with Client Subsampling, Data Heterogeneity, and Unbounded
// Smoothness", NeurIPS 2023, Algorithm 2. Sampled clients average I gradients, all at x_r: no client moves, there is one
// step a round, clipped by the norm of the mean over all.
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct MinibatchClip : Algorithm {
  void options(OptionList& o) override { clipped_step_rule(o, rule); }

  void round(Round& r, Vec& x) override {
    Vec g_r = r.mean([&](Client& i) {
      Vec sum = at::zeros_like(x);
      for (int k = 0; k < i.steps(); ++k) sum.add_(i.gradient(x));
      return sum.div_(i.steps());
    });
    if (rule.momentum != 0 && !m.defined()) m = x.clone().zero_();
    const double norm = add_decay(g_r, l2_norm(g_r), x, rule);  // λ inside the norm where asked
    descend(x, g_r, r.clip(r.rates(0), norm), rule, &m);        // min(η, γ/‖g_r‖)
  }

  void state(StateVisitor& v) override { v.global("momentum", m); }

  StepRule rule;
  Vec m;
};

}  // namespace

AlgorithmInfo minibatch_clip() {
  return {.name = "minibatch-clip",
          .paper = "Crawshaw, Bao, Liu, NeurIPS 2023, Algorithm 2",
          .summary =
              "Clipped minibatch SGD: I gradients at the common model are averaged over all sampled clients for one "
              "clipped step.",
          .use = "A baseline that never drifts; one step a round.",
          .create = [] { return std::make_unique<MinibatchClip>(); },
          .clips = Clips::always,
          .own_steps = true};
}

}  // namespace tacet
