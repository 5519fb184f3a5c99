// Adam: Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1. On more than one client g is
// averaged at every step. `max_norm` shortens longer gradients to it first ("Adam with clipping"); weight decay is added to
// the gradient, after that. `amsgrad` is Reddi, Kale, Kumar, "On the Convergence of Adam and Beyond", ICLR 2018, Algorithm
// 2: the largest v so far stands in for v, and its bias is corrected as v's is.
#include <cmath>

#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct Adam : Algorithm {
  void options(OptionList& o) override {
    beta(o, "beta1", beta1, 0.9, "β₁ of the first moment");
    beta(o, "beta2", beta2, 0.999, "β₂ of the second moment");
    o.number("epsilon", epsilon, 1e-8, above(0), "ε: added to the second moment's root");
    tacet::weight_decay(o, weight_decay);
    o.flag("amsgrad", amsgrad, false, "the root is of the largest second moment so far (AMSGrad)");
    o.number("max_norm", max_norm, infinity, above_or_infinite(0),
             "averaged gradients longer than this are shortened to it; inf: never");
  }

  void round(Round& r, Vec& x) override {
    for (int t = 0; t < r.I; ++t) {
      Vec g = r.mean([&](Client& i) { return i.gradient(x); });
      const double length = l2_norm(g), eta = r.plain(r.rates(t), length);
      if (length > max_norm) g.mul_(max_norm / length);
      if (weight_decay != 0) g.add_(x, weight_decay);
      if (!m.defined()) m = at::zeros_like(x), v = at::zeros_like(x);
      steps += 1;
      average_in(m, g, beta1);                                                   // m ← β₁ m + (1 − β₁) g
      v.mul_(beta2).addcmul_(g, g, 1 - beta2);                                   // v ← β₂ v + (1 − β₂) g²
      if (amsgrad) v_hat = v_hat.defined() ? at::maximum(v_hat, v) : v.clone();  // v̂ never shrinks
      const Vec root = ((amsgrad ? v_hat : v) / (1 - std::pow(beta2, steps))).sqrt_().add_(epsilon);
      x.addcdiv_(m, root, -eta / (1 - std::pow(beta1, steps)));  // x ← x − η m̂/(√v̂ + ε)
    }
  }

  void state(StateVisitor& visitor) override {
    visitor.global("m", m);
    visitor.global("v", v);
    if (amsgrad) visitor.global("v_hat", v_hat);
    visitor.number("steps", steps);
  }

  double beta1 = 0, beta2 = 0, epsilon = 0, max_norm = 0, weight_decay = 0;
  bool amsgrad = false;
  double steps = 0;
  Vec m, v, v_hat;
};

}  // namespace

AlgorithmInfo adam() {
  return {.name = "adam",
          .paper = "Kingma, Ba, ICLR 2015, Algorithm 1",
          .summary = "Adam on averaged gradients; max_norm clips them first.",
          .use = "Transformers; one machine or a fast network.",
          .vectors_sent = every,
          .collectives = every,
          .create = [] { return std::make_unique<Adam>(); },
          .every_client = true};
}

}  // namespace tacet
