// The optimiser of a client's local steps: SGD with momentum, AdamW (Loshchilov, Hutter, "Decoupled Weight Decay
// Regularization", ICLR 2019), or Muon for matrices with AdamW for all else. Its state stays with the client, is never
// averaged and never restarts. Gradients are clipped before it sees them: by the step bound γ, a gradient longer than γ/η,
// or by the gradient bound max_norm. The gradient itself, and what becomes of the model, are the method's.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include <ATen/ops/ones.h>

#include "algorithms/common_options.h"
#include "algorithms/muon.h"

namespace tacet {

struct InnerOptimiser {
  // The defaults that differ from method to method.
  struct Defaults {
    std::string kind = "sgd";
    double weight_decay = 0, max_norm = infinity;
  };

  void options(OptionList& o, const Defaults& defaults) {
    const std::vector<OnlyWith> sgd = {{"inner", {"sgd"}}}, matrix = {{"inner", {"muon"}}},
                                adamw = {{"inner", {"adamw", "muon"}}};
    o.text("inner", kind, defaults.kind, {"sgd", "adamw", "muon"},
           "optimiser of the local steps, whose state stays with the client; muon steps along matrices, and adamw along all "
           "else");
    beta(o, "momentum", rule.momentum, 0, "heavy-ball momentum μ of sgd");
    o.all().back().only_with = sgd;
    beta(o, "beta1", beta1, 0.9, "β₁ of adamw's first moment");
    o.all().back().only_with = adamw;
    beta(o, "beta2", beta2, 0.95, "β₂ of adamw's second moment");
    o.all().back().only_with = adamw;
    o.number("epsilon", epsilon, 1e-8, above(0), "ε: added to the root of adamw's second moment").only_with = adamw;
    o.number("weight_decay", rule.weight_decay, defaults.weight_decay, at_least(0),
             "λ: sgd adds λy to the step's direction, after the norm was taken; adamw and muon take ηλy off y");
    o.flag("decay_in_norm", rule.decay_in_norm, false, "λy is added to the gradient before its norm is taken, not after");
    if (defaults.weight_decay == 0)
      o.all().back().only_with = {{"weight_decay"}};
    else
      o.all().back().not_with = {{"weight_decay", {0.0}}};
    o.number("max_norm", max_norm, defaults.max_norm, above_or_infinite(0),
             "gradients longer than this are shortened to it, where gamma is inf; inf: never")
        .not_with = {{"gamma"}};
    beta(o, "muon_momentum", muon.momentum, 0.95, "μ of muon's momentum");
    o.all().back().only_with = matrix;
    o.text("muon_iteration", muon.iteration, "muloco", {"muloco", "jordan"},
           "coefficients of muon's five steps: MuLoCo's, or Jordan's with Nesterov's momentum")
        .only_with = matrix;
    o.text("muon_scale", muon.scale, "muloco", {"muloco", "jordan", "moonlight"},
           "factor of a matrix' step: √(rows/cols), √max(1, rows/cols) or 0.2 √max(rows, cols)")
        .only_with = matrix;
    o.number("others_rate", others_rate, 0.1, above(0), "step size of what muon leaves to adamw, in units of η").only_with =
        matrix;
  }

  // Takes the client's local step from y along the gradient, which it may overwrite. Takes none where the recipe skips a
  // gradient that was not finite.
  void step(Client& i, Rates rates, Gradient gradient, Vec& y, std::span<const Layer> layers) {
    if (i.skips()) return;
    Vec& g = gradient.g;
    const double eta = rates.eta, norm = add_decay(g, gradient.norm, y, rule);  // λ inside the norm where asked
    const bool by_gamma = std::isfinite(rates.gamma);
    const double a = i.clip(by_gamma ? rates : Rates{eta, eta * max_norm}, norm);  // min(η, γ/‖g‖)
    if (const double kept = max_norm / (norm + 1e-6); !by_gamma && kept < 1) g.mul_(kept);
    if (kind == "sgd") return descend(y, g, by_gamma ? a : eta, rule, rule.momentum != 0 ? &first.at(i, y) : nullptr);
    if (by_gamma && a < eta) g.mul_(a / eta);
    Vec &m = first.at(i, y), &v = second.at(i, y);
    const double t = taken.at(i, one).add_(1).item<double>();  // the client's own count, which goes on over rounds
    if (kind == "adamw") return adamw(eta, t, g, m, v, y);
    for (const Layer& l : layers) {
      const auto part = [&](const Vec& of) { return of.narrow(0, l.offset, l.size); };
      Vec m_l = part(m), v_l = part(v), y_l = part(y);
      if (l.role != Role::matrix) {
        adamw(others_rate * eta, t, part(g), m_l, v_l, y_l);
        continue;
      }
      shrink(y_l, eta);
      muon.step(y_l, part(g), m_l, l.shape, eta);
    }
  }

  void state(StateVisitor& v) {
    if (kind == "sgd") return v.clients("momentum", first);
    v.clients("first_moments", first);
    v.clients("second_moments", second);
    v.clients("steps", taken);
  }

  // y ← y − ηλ y, unless λy is in the gradient.
  void shrink(Vec& y, double eta) const {
    if (rule.weight_decay != 0 && !rule.decay_in_norm) y.mul_(1 - eta * rule.weight_decay);
  }

  void adamw(double eta, double t, const Vec& g, Vec& m, Vec& v, Vec& y) const {
    average_in(m, g, beta1);                  // m ← β₁ m + (1 − β₁) g
    v.mul_(beta2).addcmul_(g, g, 1 - beta2);  // v ← β₂ v + (1 − β₂) g²
    shrink(y, eta);
    const Vec root = (v / (1 - std::pow(beta2, t))).sqrt_().add_(epsilon);
    y.addcdiv_(m, root, -eta / (1 - std::pow(beta1, t)));  // y ← y − η m̂/(√v̂ + ε)
  }

  std::string kind;
  StepRule rule;
  double beta1 = 0, beta2 = 0, epsilon = 0, max_norm = infinity, others_rate = 1;
  Muon muon;
  PerClient first, second, taken;  // m, v and the number of their steps
  const Vec one = at::ones({1}, at::kDouble);
};

}  // namespace tacet
