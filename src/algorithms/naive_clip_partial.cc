// Naive parallel SGDClip with partial communication: the baseline in appendix E.5 of "A Communication-Efficient Distributed
// Gradient Clipping Algorithm for Training Deep Neural Networks" (ICLR 2022 submission). Every client has a model of its
// own. At each step the sampled clients average their models and their gradients, and step together from the average. The
// others are left untouched: they neither step nor follow. x is the model of those that stepped last. With interval = 1
// the clients are drawn anew for every step, as there.
#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct NaiveClipPartial : Algorithm {
  void options(OptionList& o) override { clipped_decay(o, rule); }

  void begin(Round&, const Vec& x) override { start = x.clone(); }

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      auto mean = r.means(x, 2, [&](Client& i) {
        const Vec& x_i = model(i);
        return std::vector<Vec>{x_i, i.gradient(x_i)};
      });
      x = mean[0];
      const double norm = add_decay(mean[1], l2_norm(mean[1]), x, rule);  // λ inside the norm where asked
      const double a = r.clip(r.rates(t), norm);                          // min(η, γ/‖g‖) of the AVERAGED gradient
      descend(x, mean[1], a, rule, nullptr);
      for (auto& [id, x_i] : own.all())
        if (r.sampled(id)) x_i.copy_(x);
    }
  }

  void state(StateVisitor& v) override {
    v.global("start", start);
    v.clients("models", own);
  }

  // xⁱ; the first model before the client's first step.
  Vec& model(const Client& i) {
    const bool first = !own.has(i);
    Vec& x_i = own.at(i, start);
    if (first) x_i.copy_(start);
    return x_i;
  }

  StepRule rule;
  Vec start;  // x_0
  PerClient own;
};

}  // namespace

AlgorithmInfo naive_clip_partial() {
  return {.name = "naive-clip-partial",
          .paper = "baseline in Liu et al., appendix E.5: partial communication",
          .summary =
              "naive-clip in which only the sampled clients average models and gradients and step; the others keep their "
              "models.",
          .use = "The reference for celgc-partial: what rare talking costs when some workers miss a communication.",
          .vectors_sent = [](int I) { return 2.0 * I; },
          .collectives = every,
          .create = [] { return std::make_unique<NaiveClipPartial>(); },
          .clips = Clips::always,
          .fresh_models = true};
}

}  // namespace tacet
