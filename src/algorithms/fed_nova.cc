// FedNova: Wang, Liu, Liang, Joshi, Poor, "Tackling the Objective Inconsistency Problem in Heterogeneous Federated
// Optimization", NeurIPS 2020. Clients take different numbers of steps; each one's change is divided by what its steps weigh
// together, so that no client pulls more for having taken more. Momentum restarts in every round, as in the published code.
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct FedNova : Algorithm {
  void options(OptionList& o) override {
    beta(o, "momentum", rule.momentum, 0, "heavy-ball momentum ρ of the local steps; it restarts in every round");
    o.all().back().only_with_one_of = several_steps;
    weight_decay(o, rule.weight_decay);
    o.number("mu", mu, 0, at_least(0), "weight μ of a proximal term").not_with = {{"momentum"}};
    o.all().back().only_with_one_of = several_steps;
    o.flag("weighted", weighted, true, "weigh clients by their shares of the data");
  }

  void round(Round& r, Vec& x) override {
    const NumbersFn local = [&](Client& i, std::vector<double>& effective) {
      Vec y = i.start(x), m = rule.momentum != 0 ? at::zeros_like(x) : Vec();
      double a = 0, c = 0, steps = 0;
      for (int t = 0; t < i.steps(); ++t) {
        auto [g, norm] = i.gradient(y);
        if (i.skips()) continue;
        if (mu != 0) g.add_(y - x, mu), norm = l2_norm(g);
        const double eta = i.plain(r.rates(t), norm);
        descend(y, g, eta, rule, &m);
        c = rule.momentum * c + 1;   // what this step's gradient weighs, and those before it
        a = (1 - eta * mu) * a + c;  // of the round
        steps += 1;
      }
      effective[0] = mu != 0 ? steps : a;
      return a > 0 ? (x - y) / a : at::zeros_like(x);  // η dⁱ
    };
    std::vector<double> effective(1);
    const Vec d = weighted ? r.weighted_mean(Vec(), effective, local) : r.mean(Vec(), effective, local);
    r.note("effective_steps", effective[0]);  // τ = Σ pⁱ aⁱ, or Σ pⁱ τⁱ with a proximal term
    x = x - effective[0] * d;
  }

  StepRule rule;
  double mu = 0;
  bool weighted = true;
};

}  // namespace

AlgorithmInfo fed_nova() {
  return {.name = "fed-nova",
          .paper = "Wang et al., NeurIPS 2020",
          .summary = "Local SGD whose clients' changes are divided by their numbers of steps before they are averaged.",
          .use = "Local epochs on clients with different amounts of data.",
          .create = [] { return std::make_unique<FedNova>(); },
          .fresh_models = true,
          .own_steps = true,
          .numbers_sent = 1};
}

}  // namespace tacet
