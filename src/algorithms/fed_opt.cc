// FedAdam, FedYogi and FedAdagrad: Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan, "Adaptive Federated
// Optimization", ICLR 2021, Algorithm 2. Local SGD on the clients; the server takes the mean change of the round as a
// gradient of an adaptive method. They differ in one line, the second moment. v₀ = τ², m is not bias-corrected (both as in
// the paper).
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

enum class Second { adam, yogi, adagrad };

struct FedOpt : Algorithm {
  explicit FedOpt(Second second) : kind(second) {}

  void options(OptionList& o) override {
    o.number("server_eta", server_eta, 0.01, above(0), "step size η_s of the server");
    beta(o, "beta1", beta1, 0.9, "β₁ of the first moment");
    if (kind != Second::adagrad) beta(o, "beta2", beta2, 0.99, "β₂ of the second moment");
    o.number("tau", tau, 1e-3, above(0), "τ: added to the second moment's root");
    weight_decay(o, rule.weight_decay);
  }

  void begin(Round&, const Vec& x) override {
    m = at::zeros_like(x);
    v = at::full_like(x, tau * tau);
  }

  void round(Round& r, Vec& x) override {
    const Vec delta = r.mean([&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        const auto [g, norm] = i.gradient(y);
        descend(y, g, i.plain(r.rates(t), norm), rule, nullptr);
      }
      return y.sub_(x);
    });
    average_in(m, delta, beta1);  // m ← β₁ m + (1 − β₁) Δ
    const Vec square = delta * delta;
    switch (kind) {
      case Second::adam:
        v.mul_(beta2).add_(square, 1 - beta2);
        break;
      case Second::yogi:
        v.sub_(square * (v - square).sign(), 1 - beta2);
        break;
      case Second::adagrad:
        v.add_(square);
        break;
    }
    x.addcdiv_(m, v.sqrt().add_(tau), server_eta);  // x + η_s m/(√v + τ)
  }

  void state(StateVisitor& visitor) override {
    visitor.global("m", m);
    visitor.global("v", v);
  }

  Second kind;
  double server_eta = 0, beta1 = 0, beta2 = 0, tau = 0;
  StepRule rule;
  Vec m, v;
};

}  // namespace

AlgorithmInfo fed_adam() {
  return {.name = "fed-adam",
          .paper = "Reddi et al., ICLR 2021, Algorithm 2",
          .summary = "Local SGD; the server takes an Adam step along the mean change of the models.",
          .use = "Badly scaled gradients, with one vector a message.",
          .create = [] { return std::make_unique<FedOpt>(Second::adam); },
          .own_steps = true};
}

AlgorithmInfo fed_yogi() {
  return {.name = "fed-yogi",
          .paper = "Reddi et al., ICLR 2021, Algorithm 2",
          .summary = "As fed-adam, with Yogi's second moment, which shrinks slowly.",
          .use = "As fed-adam, when its step sizes jump.",
          .create = [] { return std::make_unique<FedOpt>(Second::yogi); },
          .own_steps = true};
}

AlgorithmInfo fed_adagrad() {
  return {.name = "fed-adagrad",
          .paper = "Reddi et al., ICLR 2021, Algorithm 2",
          .summary = "As fed-adam, with Adagrad's second moment, which never shrinks.",
          .use = "As fed-adam, for sparse gradients.",
          .create = [] { return std::make_unique<FedOpt>(Second::adagrad); },
          .own_steps = true};
}

}  // namespace tacet
