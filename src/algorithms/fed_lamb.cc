// FED-LAMB: Karimi, Li, Li, "FED-LAMB: Layer-wise and Dimension-wise Locally Adaptive Optimization Algorithm", Algorithm 1.
// Local AMSGrad directions, each layer's step as long as α φ(‖y_ℓ‖). The paper leaves some points open, settled here. m
// restarts from 0 in every round (line 6 restarts v from v̂, and line 9's correction counts from the round's first step)
// unless `persist`. Line 10's correction of v is for a start from zero; v starts from v̂ ≥ ε, and dividing by 1 − β₂ᵗ would
// make v̂ grow by β₂ᵀ/(1 − β₂ᵀ) in every round without bound, so v is corrected only where it did start from ε: with
// `persist`. Line 8 takes the gradient at the current local model. A layer with ‖y_ℓ‖ = 0 or ‖p_ℓ + λ y_ℓ‖ = 0 is not
// rescaled.
#include <algorithm>
#include <cmath>

#include <ATen/ops/full_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct FedLamb : Algorithm {
  void options(OptionList& o) override {
    beta(o, "beta1", beta1, 0.9, "β₁ of the first moment");
    beta(o, "beta2", beta2, 0.999, "β₂ of the second moment");
    o.number("epsilon", epsilon, 1e-4, above(0), "ε: where v̂ starts, and added to its root");
    weight_decay(o, lambda);
    const std::vector<OnlyWith> layers = {{"layerwise", {true}}};
    o.number("phi_min", phi_min, 0, at_least(0), "least value of φ(‖y_ℓ‖)").only_with = layers;
    o.number("phi_max", phi_max, infinity, above_or_infinite(0), "greatest value of φ(‖y_ℓ‖)").only_with = layers;
    o.flag("layerwise", layerwise, true, "rescale layer by layer; false: φ(‖y_ℓ‖)/‖p_ℓ‖ counts as 1");
    o.flag("bias_correction", correction, true, "divide m by 1 − β₁ᵗ");
    o.flag("persist", persist, false, "moments live on with their client between its rounds");
  }

  void begin(Round&, const Vec& x) override { v_hat = at::full_like(x, epsilon); }  // v̂₀ = ε·1

  void round(Round& r, Vec& x) override {
    const Vec root = v_hat.sqrt().add_(epsilon);  // √v̂ + ε, fixed during the round
    auto mean = r.means(x, 2, [&](Client& i) {
      const bool begins = persist && !first.has(i);
      Vec m = persist ? first.at(i, x) : at::zeros_like(x), v = persist ? second.at(i, x) : v_hat.clone();
      Vec steps = persist ? taken.at(i, one) : at::zeros_like(one);  // of m since it was 0
      if (begins) v.fill_(epsilon);
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        const auto [g, norm] = i.gradient(y);
        if (i.skips()) continue;
        const double alpha = i.plain(r.rates(t), norm);
        average_in(m, g, beta1);                  // m ← β₁ m + (1 − β₁) g
        v.mul_(beta2).addcmul_(g, g, 1 - beta2);  // v ← β₂ v + (1 − β₂) g²
        steps.add_(1);
        Vec p = m / root;  // p = m̂/(√v̂ + ε)
        if (correction) p.div_(1 - std::pow(beta1, steps.item<double>()));
        if (lambda != 0) p.add_(y, lambda);
        for (const Layer& l : r.layers) {
          Vec y_l = y.narrow(0, l.offset, l.size);
          const Vec p_l = p.narrow(0, l.offset, l.size);
          y_l.sub_(p_l, alpha * scale(l2_norm(y_l), l2_norm(p_l)));
        }
      }
      // A client whose steps were all skipped still has v = ε, which v̂ holds.
      const bool corrected = correction && persist && steps.item<double>() > 0;
      return std::vector<Vec>{y, corrected ? v / (1 - std::pow(beta2, steps.item<double>())) : v};
    });
    x = mean[0];
    v_hat = at::maximum(v_hat, mean[1]);
  }

  // φ(‖y_ℓ‖)/‖p_ℓ‖ with φ the identity between phi_min and phi_max.
  double scale(double y, double p) const {
    if (!layerwise || y == 0 || p == 0) return 1;
    return std::clamp(y, phi_min, phi_max) / p;
  }

  void state(StateVisitor& v) override {
    v.global("v_hat", v_hat);
    if (!persist) return;
    for (auto [name, moments] : {std::pair{"first_moments", &first}, {"second_moments", &second}, {"steps", &taken}})
      v.clients(name, *moments);
  }

  double beta1 = 0, beta2 = 0, epsilon = 0, lambda = 0, phi_min = 0, phi_max = 0;
  bool layerwise = true, correction = true, persist = false;
  const Vec one = at::zeros({1}, at::kDouble);
  Vec v_hat;
  PerClient first, second, taken;  // m, v and the number of their steps, with `persist`
};

}  // namespace

AlgorithmInfo fed_lamb() {
  return {.name = "fed-lamb",
          .paper = "Karimi, Li, Li, Algorithm 1",
          .summary = "FED-AMS whose steps are rescaled layer by layer to the size of the layer's weights.",
          .use = "Deep nets, clients whose data differ, few rounds.",
          .vectors_sent = two,
          .create = [] { return std::make_unique<FedLamb>(); },
          .fresh_models = true,
          .own_steps = true};
}

}  // namespace tacet
