// FedAvg, also known as local SGD: McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-Efficient Learning of
// Deep Networks from Decentralized Data", AISTATS 2017, Algorithm 1, with I local steps a round. It is CELGC without
// clipping; `weighted` averages by the clients' shares of the data, as the paper does.
#include "algorithms/methods.h"

namespace tacet {
namespace {

struct FedAvg : Algorithm {
  explicit FedAvg(const Values& o) : rule{o.number("momentum"), o.number("weight_decay")}, weighted(o.flag("weighted")) {}

  void round(Round& r, Vec& x) override {
    const ClientFn local = [&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < r.I; ++t) {
        const auto [g, norm] = i.gradient(y);
        const double eta = i.plain(r.rates(t), norm);  // = η; ‖g‖ is shown
        descend(y, g, eta, rule, rule.momentum != 0 ? &m.at(i, y) : nullptr);
      }
      return y;
    };
    x = weighted ? r.weighted_mean(x, local) : r.mean(x, local);
  }

  void state(StateVisitor& v) override { v.clients("momentum", m); }

  StepRule rule;
  bool weighted;
  PerClient m;
};

}  // namespace

std::unique_ptr<Algorithm> make_fedavg(const Values& o) { return std::make_unique<FedAvg>(o); }

}  // namespace tacet
