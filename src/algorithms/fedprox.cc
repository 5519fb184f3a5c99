// FedProx: Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith, "Federated Optimization in Heterogeneous Networks", MLSys 2020,
// Algorithm 2, with I local SGD steps as the inexact solver. FedAvg whose local loss is F_i(y) + (μ/2)‖y − x‖².
#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct FedProx : Algorithm {
  void options(OptionList& o) override {
    step_rule(o, rule);
    o.number("mu", mu, 0.01, at_least(0), "weight μ of the proximal term").only_with_one_of = several_steps;
  }

  void round(Round& r, Vec& x) override {
    x = r.mean(x, [&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        Vec g = i.gradient(y);
        if (i.skips()) continue;
        g.add_(y - x, mu);  // ∇ of the proximal term
        descend(y, g, i.plain(r.rates(t), l2_norm(g)), rule, rule.momentum != 0 ? &m.at(i, y) : nullptr);
      }
      return y;
    });
  }

  void state(StateVisitor& v) override { v.clients("momentum", m); }

  double mu = 0;
  StepRule rule;
  PerClient m;
};

}  // namespace

AlgorithmInfo fedprox() {
  return {.name = "fedprox",
          .paper = "Li et al., MLSys 2020, Algorithm 2",
          .summary = "FedAvg whose local losses hold the clients near the common model.",
          .use = "Smooth losses and clients whose data differ somewhat.",
          .create = [] { return std::make_unique<FedProx>(); },
          .fresh_models = true,
          .own_steps = true};
}

}  // namespace tacet
