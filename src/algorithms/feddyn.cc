// FedDyn: Acar, Zhao, Matas Navarro, Mattina, Whatmough, Saligrama, "Federated Learning Based on Dynamic Regularization",
// ICLR 2021, Algorithm 1. Each client's loss has a term that turns with the rounds until the clients agree at the common
// minimum: l_i sums up what the client has been moved by, α(y − x + lⁱ) is added to its gradients. α is divided by the
// client's share of the data × N, as in the published code. With a finite γ (or max_norm) the sum is clipped.
#include <ATen/ops/zeros_like.h>

#include "algorithms/inner_optimiser.h"

namespace tacet {
namespace {

struct FedDyn : Algorithm {
  void options(OptionList& o) override {
    o.number("alpha", alpha, 0.01, above(0), "weight α of the dynamic regulariser");
    inner.options(o, {});
  }

  void round(Round& r, Vec& x) override {
    const Vec mean = r.mean(x, [&](Client& i) {
      const double a = alpha / i.weight();
      Vec& l_i = shifts.at(i, x);
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        Vec g = i.gradient(y);
        g.add_((y - x).add_(l_i), a);
        inner.step(i, r.rates(t), {g, l2_norm(g)}, y, r.layers);
      }
      l_i.add_(y - x);
      return y;
    });
    if (!l.defined()) l = at::zeros_like(x);
    l.add_(mean - x, r.participation);  // the mean of all lⁱ
    x = mean + l;
  }

  void state(StateVisitor& v) override {
    v.global("l", l);
    v.clients("shifts", shifts);
    inner.state(v);
  }

  InnerOptimiser inner;
  double alpha = 0;
  Vec l;
  PerClient shifts;  // lⁱ
};

}  // namespace

AlgorithmInfo feddyn() {
  return {
      .name = "feddyn",
      .paper = "Acar et al., ICLR 2021, Algorithm 1",
      .summary =
          "Local steps on losses with a regulariser that turns with the rounds, so that clients that differ agree at the "
          "common minimum.",
      .use = "Clients whose data differ a lot; clip it where gradients are large.",
      .create = [] { return std::make_unique<FedDyn>(); },
      .clips = Clips::when_asked,
      .fresh_models = true,
      .own_steps = true};
}

}  // namespace tacet
