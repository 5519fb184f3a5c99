// FedProx: Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith, "Federated Optimization in Heterogeneous Networks", MLSys 2020,
// Algorithm 2, with I local SGD steps as the inexact solver. FedAvg whose local loss is F_i(y) + (μ/2)‖y − x‖².
#include "algorithms/methods.h"

namespace tacet {
namespace {

struct FedProx : Algorithm {
  explicit FedProx(const Values& o) : mu(o.number("mu")), rule{o.number("momentum"), o.number("weight_decay")} {}

  void round(Round& r, Vec& x) override {
    x = r.mean(x, [&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < r.I; ++t) {
        Vec g = i.gradient(y);
        g.add_(y - x, mu);  // ∇ of the proximal term
        descend(y, g, i.plain(r.rates(t), l2_norm(g)), rule, rule.momentum != 0 ? &m.at(i, y) : nullptr);
      }
      return y;
    });
  }

  void state(StateVisitor& v) override { v.clients("momentum", m); }

  double mu;
  StepRule rule;
  PerClient m;
};

}  // namespace

std::unique_ptr<Algorithm> make_fedprox(const Values& o) { return std::make_unique<FedProx>(o); }

}  // namespace tacet
