// CELGC, Communication-Efficient Local Gradient Clipping: Liu, Zhuang, Lei, Liao, "A Communication-Efficient Distributed
// Gradient Clipping Algorithm for Training Deep Neural Networks", NeurIPS 2022, Algorithm 1. Each client clips by its OWN
// gradient's norm, before weight decay; momentum stays on its client and is not averaged (both as in the published code).
#include "algorithms/methods.h"

namespace tacet {
namespace {

struct Celgc : Algorithm {
  explicit Celgc(const Values& o) : rule{o.number("momentum"), o.number("weight_decay")} {}

  void round(Round& r, Vec& x) override {
    x = r.mean(x, [&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < r.I; ++t) {
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

std::unique_ptr<Algorithm> make_celgc(const Values& o) { return std::make_unique<Celgc>(o); }

}  // namespace tacet
