// FED-AMS, also known as Local AMSGrad: Chen, Li, Li, "Toward Communication Efficient Adaptive Gradient Method", FODS 2020.
// Local AMSGrad steps with v̂ fixed during the round; the server averages models and second moments and v̂ never
// shrinks. With `persist` a client's m and v live on between its rounds (Chen et al.); without, m restarts from 0 and v from
// v̂ (as in FED-LAMB's paper).
#include <ATen/ops/full_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct FedAms : Algorithm {
  void options(OptionList& o) override {
    beta(o, "beta1", beta1, 0.9, "β₁ of the first moment");
    beta(o, "beta2", beta2, 0.999, "β₂ of the second moment");
    o.number("epsilon", epsilon, 1e-4, above(0), "ε: where v̂ starts");
    o.flag("persist", persist, true, "moments live on with their client between its rounds");
  }

  void begin(Round&, const Vec& x) override { v_hat = at::full_like(x, epsilon); }  // v̂₀ = ε·1

  void round(Round& r, Vec& x) override {
    const Vec root = v_hat.sqrt();
    auto mean = r.means(x, 2, [&](Client& i) {
      const bool begins = persist && !first.has(i);
      Vec m = persist ? first.at(i, x) : at::zeros_like(x), v = persist ? second.at(i, x) : v_hat.clone();
      if (begins) v.fill_(epsilon);
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        const auto [g, norm] = i.gradient(y);
        if (i.skips()) continue;
        average_in(m, g, beta1);                      // m ← β₁ m + (1 − β₁) g
        v.mul_(beta2).addcmul_(g, g, 1 - beta2);      // v ← β₂ v + (1 − β₂) g²
        y.sub_(m / root, i.plain(r.rates(t), norm));  // y ← y − α m/√v̂
      }
      return std::vector<Vec>{y, v};
    });
    x = mean[0];
    v_hat = at::maximum(v_hat, mean[1]);
  }

  void state(StateVisitor& v) override {
    v.global("v_hat", v_hat);
    if (!persist) return;
    v.clients("first_moments", first);
    v.clients("second_moments", second);
  }

  double beta1 = 0, beta2 = 0, epsilon = 0;
  bool persist = true;
  Vec v_hat;
  PerClient first, second;  // m and v, with `persist`
};

}  // namespace

AlgorithmInfo fed_ams() {
  return {.name = "fed-ams",
          .paper = "Chen, Li, Li, FODS 2020 (Local AMSGrad)",
          .summary = "Local AMSGrad steps with a second moment that all clients share.",
          .use = "Sparse or badly scaled gradients, as in language models with large vocabularies.",
          .vectors_sent = two,
          .create = [] { return std::make_unique<FedAms>(); },
          .fresh_models = true,
          .own_steps = true};
}

}  // namespace tacet
