// SGD, with heavy-ball momentum (Polyak 1964) when asked: m ← μ m + (g + λx), x ← x − η m. On one client it is the plain
// optimiser; on more, gradients are averaged at every step: parallel-sgd is Goyal et al., "Accurate, Large Minibatch SGD",
// 2017, with that paper's warm-up in the schedule (schedule.warmup, from η/N). Never clips.
#include "algorithms/common_options.h"

namespace tacet {
namespace {

enum class Momentum { none, heavy_ball };

struct Sgd : Algorithm {
  explicit Sgd(Momentum given) : momentum(given) {}

  void options(OptionList& o) override {
    if (momentum == Momentum::heavy_ball) return step_rule(o, rule, 0.9);
    weight_decay(o, rule.weight_decay);
  }

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      const Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      if (rule.momentum != 0 && !m.defined()) m = x.clone().zero_();
      descend(x, g, r.plain(r.rates(t), l2_norm(g)), rule, &m);
    }
  }

  void state(StateVisitor& v) override { v.global("momentum", m); }

  Momentum momentum;
  StepRule rule;
  Vec m;
};

}  // namespace

AlgorithmInfo parallel_sgd() {
  return {.name = "parallel-sgd",
          .paper = "Goyal et al., 2017",
          .summary = "Synchronous momentum SGD without clipping.",
          .use = "A fast network and a smooth loss, with a warm-up from η/N.",
          .vectors_sent = every,
          .collectives = every,
          .create = [] { return std::make_unique<Sgd>(Momentum::heavy_ball); },
          .every_client = true};
}

AlgorithmInfo sgd() {
  return {.name = "sgd",
          .paper = "Robbins, Monro, 1951",
          .summary = "Plain SGD on averaged gradients.",
          .use = "One machine or a fast network; the simplest baseline.",
          .vectors_sent = every,
          .collectives = every,
          .create = [] { return std::make_unique<Sgd>(Momentum::none); },
          .every_client = true};
}

AlgorithmInfo momentum() {
  return {.name = "momentum",
          .paper = "Polyak, 1964",
          .summary = "SGD with heavy-ball momentum on averaged gradients.",
          .use = "One machine or a fast network.",
          .vectors_sent = every,
          .collectives = every,
          .create = [] { return std::make_unique<Sgd>(Momentum::heavy_ball); },
          .every_client = true};
}

}  // namespace tacet
