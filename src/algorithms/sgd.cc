// SGD, with heavy-ball momentum (Polyak 1964) when asked: m ← μ m + (g + λx), x ← x − η m. On one client it is the plain
// optimiser; on more, gradients are averaged at every step: parallel-sgd is Goyal et al., "Accurate, Large Minibatch SGD",
// 2017, with that paper's warm-up in the schedule (schedule.warmup, from η/N). Never clips.
#include "algorithms/methods.h"

namespace tacet {
namespace {

struct Sgd : Algorithm {
  explicit Sgd(const Values& o) : rule{o.has("momentum") ? o.number("momentum") : 0, o.number("weight_decay")} {}

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      const Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      if (rule.momentum != 0 && !m.defined()) m = x.clone().zero_();
      descend(x, g, r.plain(r.rates(t), l2_norm(g)), rule, &m);
    }
  }

  void state(StateVisitor& v) override { v.global("momentum", m); }

  StepRule rule;
  Vec m;
};

}  // namespace

std::unique_ptr<Algorithm> make_sgd(const Values& o) { return std::make_unique<Sgd>(o); }

}  // namespace tacet
