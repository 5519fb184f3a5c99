// SCAFFOLD: Karimireddy, Kale, Mohri, Reddi, Stich, Suresh, "SCAFFOLD: Stochastic Controlled Averaging for Federated
// Learning", ICML 2020, Algorithm 1. Clients correct their gradients by control variates cⁱ and c. `variate` says how cⁱ is
// renewed: "average", the mean of the round's gradients (as in EPISODE's experiments), or "drift", the paper's option II.
// With a finite γ the corrected gradient is clipped, the baseline SCAFFOLD-clip of EPISODE's papers;
// `init_corrections` starts c and cⁱ from gradients, as those papers' programs do.
#include <ATen/ops/zeros_like.h>

#include "algorithms/corrected_step.h"

namespace tacet {
namespace {

struct Scaffold : Algorithm {
  void options(OptionList& o) override {
    step.options(o, {{"variate", {"average"}}});  // the drift of a model with momentum is no mean gradient
    o.text("variate", variate, "average", {"average", "drift"},
           "how a client renews its control variate: average of the round's gradients, or drift of its model (option II)");
    o.flag("init_corrections", init_corrections, false,
           "c and cⁱ start from every client's gradient at the first model, not from 0; one more message before round 1");
  }

  void begin(Round& everyone, const Vec& x) override {
    if (!init_corrections) return;
    c = everyone.mean([&](Client& i) { return variates.at(i, x).copy_(i.resample(x)); });
  }

  void round(Round& r, Vec& x) override {
    const bool drift = variate == "drift";
    if (!c.defined()) c = at::zeros_like(x);
    auto mean = r.means(x, 2, [&](Client& i) {
      Vec& c_i = variates.at(i, x);
      Vec sum = at::zeros_like(x);  // Σ of the raw gradients
      double moved = 0;             // Σ of the steps' factors: I η without clipping
      int taken = 0;
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        Vec g = i.gradient(y);
        if (i.skips()) continue;
        if (!drift) sum.add_(g);
        ++taken;
        double length = correct(g, c_i, c);     // ‖g − cⁱ + c‖
        length = step.direct(i, g, length, y);  // with decay or momentum, where asked
        const double a = i.clip(r.rates(t), length);
        step.take(y, g, a);
        moved += a;
      }
      const bool renews = drift ? moved > 0 : taken > 0;
      if (!renews) return std::vector<Vec>{y, at::zeros_like(x)};
      const Vec renewed = drift ? c_i - c + (x - y).div_(moved) : sum.div_(taken);
      const Vec change = renewed - c_i;
      c_i.copy_(renewed);
      return std::vector<Vec>{y, change};
    });
    x = mean[0];
    c.add_(mean[1], r.participation);  // c + (S/N) mean (cⁱ⁺ − cⁱ)
  }

  void state(StateVisitor& v) override {
    v.global("c", c);
    v.clients("variates", variates);
    step.state(v);
  }

  CorrectedStep step;
  std::string variate;
  bool init_corrections = false;
  Vec c;
  PerClient variates;
};

}  // namespace

AlgorithmInfo scaffold() {
  return {.name = "scaffold",
          .paper = "Karimireddy et al., ICML 2020, Algorithm 1",
          .summary =
              "Local steps corrected by control variates; with a finite gamma the corrected gradient is clipped "
              "(SCAFFOLD-clip).",
          .use = "Smooth losses and clients whose data differ a lot.",
          .vectors_sent = two,
          .create = [] { return std::make_unique<Scaffold>(); },
          .clips = Clips::when_asked,
          .fresh_models = true,
          .short_steps = true,
          .own_steps = true};
}

}  // namespace tacet
