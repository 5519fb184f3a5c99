// FedAdam, FedYogi and FedAdagrad: Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan, "Adaptive Federated
// Optimization", ICLR 2021, Algorithm 2. Local SGD on the clients; the server takes the mean change of the round as a
// gradient of an adaptive method. They differ in one line, the second moment. v₀ = τ², m is not bias-corrected (both as in
// the paper).
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include "algorithms/methods.h"

namespace tacet {
namespace {

enum class Second { adam, yogi, adagrad };

struct FedOpt : Algorithm {
  FedOpt(const Values& o, Second k)
      : kind(k),
        server_eta(o.number("server_eta")),
        beta1(o.number("beta1")),
        beta2(o.has("beta2") ? o.number("beta2") : 0),
        tau(o.number("tau")),
        rule{0, o.number("weight_decay")} {}

  void begin(Round&, const Vec& x) override {
    m = at::zeros_like(x);
    v = at::full_like(x, tau * tau);
  }

  void round(Round& r, Vec& x) override {
    const Vec delta = r.mean([&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < r.I; ++t) {
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
  double server_eta, beta1, beta2, tau;
  StepRule rule;
  Vec m, v;
};

}  // namespace

std::unique_ptr<Algorithm> make_fed_adam(const Values& o) { return std::make_unique<FedOpt>(o, Second::adam); }
std::unique_ptr<Algorithm> make_fed_yogi(const Values& o) { return std::make_unique<FedOpt>(o, Second::yogi); }
std::unique_ptr<Algorithm> make_fed_adagrad(const Values& o) { return std::make_unique<FedOpt>(o, Second::adagrad); }

}  // namespace tacet
