// SGD with gradient clipping on one machine: x ← x − min(η, γ/‖g‖) g (Zhang, He, Sra, Jadbabaie, "Why Gradient Clipping
// Accelerates Training", ICLR 2020, equation 5). Never communicates: with one client a mean is no message.
#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct SgdClip : Algorithm {
  void options(OptionList& o) override { step_rule(o, rule); }

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

AlgorithmInfo sgd_clip() {
  return {.name = "sgd-clip",
          .paper = "Zhang et al., ICLR 2020, equation 5",
          .summary = "Clipped SGD on one machine.",
          .use = "One machine; the reference for speed-up in the number of clients.",
          .vectors_sent = none,
          .collectives = none,
          .create = [] { return std::make_unique<SgdClip>(); },
          .clips = Clips::always,
          .single_client = true,
          .fresh_models = true};
}

}  // namespace tacet
