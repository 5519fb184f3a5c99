// CELGC whose messages travel while the clients go on: delayed averaging as in Zhu, Lin, Lu, Lin, Han, "Delayed Gradient
// Averaging", NeurIPS 2021, with clipped steps. Round r begins by sending yⁱ, the models that round r−1 ended with, and
// takes its first D steps (`delay`, 0 ≤ D ≤ I) from there; then their mean x̄ has to be there, and every client adds x̄ − yⁱ
// to where it is. So the mean is D steps old when it is used, and x after a round is the mean of the models that the round
// began with: the last I steps are not in it yet. D = 0 is CELGC, one round late. All clients take part in every round.
#include <cassert>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct CelgcOverlap : Algorithm {
  void options(OptionList& o) override {
    o.integer(
        "delay", delay, 1, within(0, 1e9),
        "local steps of a round before the mean of the models it began with has to be there, at most interval; 0 waits "
        "at once");
    clipped_step_rule(o, rule);
  }

  void round(Round& r, Vec& x) override {
    assert(delay <= r.I);
    const auto mean = r.start_mean(x, [&](Client& i) { return model(i, x); });  // x̄ is on its way

    r.work([&](Client& i) {
      Vec& y_i = model(i, x);
      Vec y = i.start(y_i);
      for (int t = 0; t <= r.I; ++t) {
        if (t == delay) y.add_(mean.get() - y_i);
        if (t == r.I) break;
        auto [g, norm] = i.gradient(y);
        if (i.skips()) continue;
        norm = add_decay(g, norm, y, rule);         // λ inside the norm where asked
        const double a = i.clip(r.rates(t), norm);  // min(η, γ/‖g‖)
        descend(y, g, a, rule, rule.momentum != 0 ? &m.at(i, y) : nullptr);
      }
      y_i.copy_(y);
    });
    x = mean.get();
  }

  void state(StateVisitor& v) override {
    v.clients("models", own);
    v.clients("momentum", m);
  }

  // yⁱ; x before the client's first step.
  Vec& model(const Client& i, const Vec& x) {
    const bool first = !own.has(i);
    Vec& y_i = own.at(i, x);
    if (first) y_i.copy_(x);
    return y_i;
  }

  StepRule rule;
  int delay = 1;
  PerClient own, m;
};

}  // namespace

AlgorithmInfo celgc_overlap() {
  return {
      .name = "celgc-overlap",
      .paper = "celgc, with the delayed averaging of Zhu et al., NeurIPS 2021 (DGA)",
      .summary =
          "CELGC whose message travels during the next round's first `delay` steps; then each model moves by how far the "
          "mean was from it.",
      .use = "As celgc, where the network takes a large share of the time.",
      .collectives = two,
      .create = [] { return std::make_unique<CelgcOverlap>(); },
      .clips = Clips::always,
      .every_client = true,
      .own_models = true,
      .fresh_models = true};
}

}  // namespace tacet
