// The optimiser of the common model, whose gradient is D, by how much the clients' models have changed on average: SGD
// without momentum, with heavy-ball or Nesterov's momentum (Sutskever et al., ICML 2013), or Adam as in FedAdam. What it
// keeps of a vector is its method's to hold. The clients' own steps are inner_optimiser.h's.
#pragma once

#include <string>

#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {

struct OuterOptimiser {
  // The moments of one vector; undefined before the first step, and v without adam.
  struct OuterMoments {
    Vec u, v;
  };

  void options(OptionList& o, double momentum) {
    o.text("outer", kind, "nesterov", {"nesterov", "momentum", "sgd", "adam"},
           "optimiser of the common model, whose gradient is the mean change D of a round");
    o.number("outer_eta", alpha, 0.7, above(0), "step size α of the common model");
    beta(o, "outer_momentum", mu, momentum, "β of u, or of adam's first moment");
    o.all().back().only_with = {{"outer", {"nesterov", "momentum", "adam"}}};
    beta(o, "outer_beta2", beta2, 0.99, "β₂ of adam's second moment");
    o.all().back().only_with = {{"outer", {"adam"}}};
    o.number("outer_tau", tau, 1e-3, above(0), "τ: added to the root of adam's second moment").only_with = {
        {"outer", {"adam"}}};
  }

  // Returns the direction of the step, which goes α along it, and renews the moments.
  Vec direction(const Vec& D, OuterMoments& of) const {
    if (kind == "sgd") return D;
    auto& [u, v] = of;
    if (!u.defined()) u = at::zeros_like(D);
    if (kind == "adam") {
      if (!v.defined()) v = at::full_like(D, tau * tau);
      average_in(u, D, mu);                     // u ← β u + (1 − β) D
      v.mul_(beta2).addcmul_(D, D, 1 - beta2);  // v ← β₂ v + (1 − β₂) D²
      return u / v.sqrt().add_(tau);
    }
    u.mul_(mu).add_(D);  // u ← β u + D
    return kind == "nesterov" ? D + mu * u : u;
  }

  std::string kind;
  double alpha = 0, mu = 0, beta2 = 0, tau = 0;
};

}  // namespace tacet
