// DiLoCo: Douillard, Feng, Rusu, Chhaparia, Donchev, Kuncoro, Ranzato, Szlam, Shen, "DiLoCo: Distributed Low-Communication
// Training of Language Models", 2023, Algorithm 1. Many local steps of an inner optimiser; what the models changed by, on
// average, is the gradient of an outer one. Outer momentum is SlowMo (Wang et al., ICLR 2020), with inner sgd it is FedAvgM
// (Hsu, Qi, Brown, 2019), and on one client without momentum it is Lookahead (Zhang et al., NeurIPS 2019); adam is FedAdam's
// server (Reddi et al., ICLR 2021). MuLoCo is DiLoCo with Muon inside (Thérien, Huang, Defazio, Rish, Belilovsky, "MuLoCo:
// Muon is a practical inner optimizer for DiLoCo", 2025).
#include "algorithms/inner_optimiser.h"
#include "algorithms/outer_optimiser.h"

namespace tacet {
namespace {

enum class Paper { diloco, muloco };

struct Diloco : Algorithm {
  explicit Diloco(Paper given) : paper(given) {}

  void options(OptionList& o) override {
    const bool muloco = paper == Paper::muloco;
    if (muloco)
      inner.options(o, {.kind = "muon", .weight_decay = 0.01});
    else
      inner.options(o, {.kind = "adamw", .weight_decay = 0.1, .max_norm = 1});
    outer.options(o, muloco ? 0.6 : 0.9);
  }

  void round(Round& r, Vec& x) override {
    const Vec mean = r.mean(x, [&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        const Gradient g = i.gradient(y);
        inner.step(i, r.rates(t), g, y, r.layers);
      }
      return y;
    });
    const Vec D = x - mean;
    x = x - outer.alpha * outer.direction(D, kept);
  }

  void state(StateVisitor& visitor) override {
    inner.state(visitor);
    visitor.global("u", kept.u);
    visitor.global("v", kept.v);
  }

  Paper paper;
  InnerOptimiser inner;
  OuterOptimiser outer;
  OuterOptimiser::OuterMoments kept;
};

}  // namespace

AlgorithmInfo diloco() {
  return {.name = "diloco",
          .paper = "Douillard et al., 2023, Algorithm 1",
          .summary =
              "Many local steps of AdamW or SGD; the mean change of the models is the gradient of an outer optimiser with "
              "momentum.",
          .use = "Language models over a slow network, with hundreds of local steps in a round.",
          .create = [] { return std::make_unique<Diloco>(Paper::diloco); },
          .clips = Clips::when_asked,
          .fresh_models = true,
          .own_steps = true};
}

AlgorithmInfo muloco() {
  return {.name = "muloco",
          .paper = "Thérien et al., 2025",
          .summary = "DiLoCo whose local steps are Muon's, with AdamW for vectors, embeddings and the head.",
          .use = "Language models over a slow network, with fewer local steps than diloco needs.",
          .create = [] { return std::make_unique<Diloco>(Paper::muloco); },
          .clips = Clips::when_asked,
          .fresh_models = true,
          .own_steps = true};
}

}  // namespace tacet
