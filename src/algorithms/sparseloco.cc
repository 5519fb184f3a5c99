// SparseLoCo: Sarfi, Thérien, Lidin, Belilovsky, "Communication Efficient LLM Pre-training with SparseLoCo", 2025. DiLoCo
// without outer momentum, whose messages hold the largest changes alone. What a client leaves out it keeps, and sends later.
// The messages are algorithm.message = "topk" (src/engine/message_coding.h), this method's default. On its way to the mean,
// a client's change D becomes
//   e ← β e + D;  s ← Q(TopK(e));  e ← e − s
// and s arrives. With other messages, D itself is what arrives, up to their rounding.
#include "algorithms/inner_optimiser.h"

namespace tacet {
namespace {

struct SparseLoco : Algorithm {
  void options(OptionList& o) override {
    inner.options(o, {.kind = "adamw", .weight_decay = 0.1, .max_norm = 1});
    o.number("outer_eta", alpha, 1, above(0), "step size α of the common model");
  }

  void round(Round& r, Vec& x) override {
    const Vec mean = r.mean([&](Client& i) -> Vec {
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        const Gradient g = i.gradient(y);
        inner.step(i, r.rates(t), g, y, r.layers);
      }
      return x - y;
    });
    x = x - alpha * mean;
  }

  void state(StateVisitor& v) override { inner.state(v); }

  InnerOptimiser inner;
  double alpha = 1;
};

}  // namespace

AlgorithmInfo sparseloco() {
  return {.name = "sparseloco",
          .paper = "Sarfi et al., 2025",
          .summary = "Many local steps of AdamW; of each client's change the largest values are sent, and the rest is kept.",
          .use = "Language models over a very slow network: a message takes about 2 % of its floats.",
          .create = [] { return std::make_unique<SparseLoco>(); },
          .clips = Clips::when_asked,
          .fresh_models = true,
          .own_steps = true,
          .message = "topk"};
}

}  // namespace tacet
