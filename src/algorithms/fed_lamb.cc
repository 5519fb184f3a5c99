// FED-LAMB: Karimi, Li, Li, "FED-LAMB: Layer-wise and Dimension-wise Locally Adaptive Optimization Algorithm", Algorithm 1.
// Local AMSGrad directions, each layer's step as long as α φ(‖y_ℓ‖). What the text leaves open is settled as follows. m
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

#include "algorithms/methods.h"

namespace tacet {
namespace {

struct FedLamb : Algorithm {
  explicit FedLamb(const Values& o)
      : beta1(o.number("beta1")),
        beta2(o.number("beta2")),
        epsilon(o.number("epsilon")),
        lambda(o.number("weight_decay")),
        phi_min(o.number("phi_min")),
        phi_max(o.number("phi_max")),
        layerwise(o.flag("layerwise")),
        correction(o.flag("bias_correction")),
        persist(o.flag("persist")) {}

  void begin(Round&, const Vec& x) override { v_hat = at::full_like(x, epsilon); }  // v̂₀ = ε·1

  void round(Round& r, Vec& x) override {
    const Vec root = v_hat.sqrt().add_(epsilon);  // √v̂ + ε, fixed during the round
    auto mean = r.means(x, 2, [&](Client& i) {
      const bool fresh = !persist || !first.has(i);
      Vec& m = first.at(i, x);
      Vec& v = second.at(i, x);
      Vec& steps = taken.at(i, one);  // of m since it was 0
      if (fresh) m.zero_(), steps.zero_(), v.copy_(persist ? at::full_like(x, epsilon) : v_hat);
      Vec y = i.start(x);
      for (int t = 0; t < r.I; ++t) {
        const auto [g, norm] = i.gradient(y);
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
      const bool corrected = correction && persist;
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
    for (auto [name, moments] : {std::pair{"first_moments", &first}, {"second_moments", &second}, {"steps", &taken}})
      persist ? v.clients(name, *moments) : v.scratch(name, *moments);
  }

  double beta1, beta2, epsilon, lambda, phi_min, phi_max;
  bool layerwise, correction, persist;
  const Vec one = at::zeros({1}, at::kDouble);
  Vec v_hat;
  PerClient first, second, taken;  // m, v and the number of their steps
};

}  // namespace

std::unique_ptr<Algorithm> make_fed_lamb(const Values& o) { return std::make_unique<FedLamb>(o); }

}  // namespace tacet
