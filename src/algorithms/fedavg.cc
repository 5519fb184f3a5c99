// FedAvg, also known as local SGD: McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-Efficient Learning of
// Deep Networks from Decentralized Data", AISTATS 2017, Algorithm 1, with I local steps a round. It is CELGC without
// clipping; `weighted` averages by the clients' shares of the data, as the paper does.
#include "algorithms/common_options.h"
#include "algorithms/layerwise.h"

namespace tacet {
namespace {

struct FedAvg : Algorithm {
  void options(OptionList& o) override {
    step_rule(o, rule);
    bounded_update(o, max_update);
    o.flag("weighted", weighted, false, "average by the clients' shares of the data");
    average_at_pass_end(o);
  }

  void round(Round& r, Vec& x) override {
    const ClientFn local = [&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        const auto [g, norm] = i.gradient(y);
        if (i.skips()) continue;
        const double eta = i.plain(r.rates(t), norm);  // = η; ‖g‖ is shown
        descend(y, g, eta, rule, rule.momentum != 0 ? &m.at(i, y) : nullptr);
      }
      shorten_change(y, x, max_update);
      return y;
    };
    x = weighted ? r.weighted_mean(x, local) : r.mean(x, local);
  }

  void state(StateVisitor& v) override { v.clients("momentum", m); }

  StepRule rule;
  bool weighted = false;
  double max_update = infinity;
  PerClient m;
};

}  // namespace

AlgorithmInfo fedavg() {
  return {.name = "fedavg",
          .paper = "McMahan et al., AISTATS 2017, Algorithm 1",
          .summary = "Local SGD: I unclipped steps on every client, then the models are averaged.",
          .use = "Smooth losses (convolutional nets), similar data; the baseline of the field.",
          .create = [] { return std::make_unique<FedAvg>(); },
          .fresh_models = true,
          .own_steps = true};
}

}  // namespace tacet
