// Naive parallel SGDClip: the baseline of CELGC's and EPISODE's papers. Gradients are averaged at EVERY step and the
// averaged gradient is clipped, so all ranks hold the same x at all times. One flat message a step: as strong as such a
// baseline can be.
#include "algorithms/methods.h"

namespace tacet {
namespace {

struct NaiveClip : Algorithm {
  explicit NaiveClip(const Values& o) : rule{o.number("momentum"), o.number("weight_decay")} {}

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      const Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      const double a = r.clip(r.rates(t), l2_norm(g));  // min(η, γ/‖g‖) of the AVERAGED gradient
      if (rule.momentum != 0 && !m.defined()) m = x.clone().zero_();
      descend(x, g, a, rule, &m);
    }
  }

  void state(StateVisitor& v) override { v.global("momentum", m); }

  StepRule rule;
  Vec m;
};

}  // namespace

std::unique_ptr<Algorithm> make_naive_clip(const Values& o) { return std::make_unique<NaiveClip>(o); }

}  // namespace tacet
