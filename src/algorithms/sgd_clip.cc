// SGD with gradient clipping on one machine: x ← x − min(η, γ/‖g‖) g (Zhang, He, Sra, Jadbabaie, "Why Gradient Clipping
// Accelerates Training", ICLR 2020, equation 5). Never communicates: with one client a mean is no message.
#include "algorithms/methods.h"

namespace tacet {
namespace {

struct SgdClip : Algorithm {
  explicit SgdClip(const Values& o) : rule{o.number("momentum"), o.number("weight_decay")} {}

  void round(Round& r, Vec& x) override {
    x = r.mean([&](Client& i) {
      Vec y = i.start(x);
      const auto [g, norm] = i.gradient(y);
      const double a = i.clip(r.rates(0), norm);
      descend(y, g, a, rule, rule.momentum != 0 ? &m.at(i, y) : nullptr);
      return y;
    });
  }

  void state(StateVisitor& v) override { v.clients("momentum", m); }

  StepRule rule;
  PerClient m;
};

}  // namespace

std::unique_ptr<Algorithm> make_sgd_clip(const Values& o) { return std::make_unique<SgdClip>(o); }

}  // namespace tacet
