// SCAFFOLD: Karimireddy, Kale, Mohri, Reddi, Stich, Suresh, "SCAFFOLD: Stochastic Controlled Averaging for Federated
// Learning", ICML 2020, Algorithm 1. Clients correct their gradients by control variates cⁱ and c. `variate` says how cⁱ is
// renewed: "average", the mean of the round's gradients (as in EPISODE's experiments), or "drift", the paper's option II.
// With a finite γ the corrected gradient is clipped, the baseline SCAFFOLD-clip of EPISODE's papers.
#include <ATen/ops/zeros_like.h>

#include "algorithms/methods.h"

namespace tacet {
namespace {

struct Scaffold : Algorithm {
  explicit Scaffold(const Values& o) : rule{0, o.number("weight_decay")}, drift(o.text("variate") == "drift") {}

  void round(Round& r, Vec& x) override {
    if (!c.defined()) c = at::zeros_like(x);
    auto mean = r.means(x, 2, [&](Client& i) {
      Vec& c_i = variates.at(i, x);
      Vec sum = at::zeros_like(x);  // of the raw gradients
      double moved = 0;             // Σ of the steps' factors: I η without clipping
      Vec y = i.start(x);
      for (int t = 0; t < r.I; ++t) {
        Vec g = i.gradient(y);
        if (!drift) sum.add_(g);
        const double a = i.clip(r.rates(t), correct(g, c_i, c));  // g − cⁱ + c
        descend(y, g, a, rule, nullptr);
        moved += a;
      }
      Vec renewed = !drift ? sum.div_(r.I) : moved > 0 ? c_i - c + (x - y).div_(moved) : c_i.clone();
      const Vec change = renewed - c_i;
      c_i.copy_(renewed);
      return std::vector<Vec>{y, change};
    });
    x = mean[0];
    c.add_(mean[1], r.participation);  // c + (S/N) mean (cⁱ⁺ − cⁱ)
  }

  void state(StateVisitor& v) override {
    v.global("c", c);
    v.clients("variates", variates);
  }

  StepRule rule;
  bool drift;
  Vec c;
  PerClient variates;
};

}  // namespace

std::unique_ptr<Algorithm> make_scaffold(const Values& o) { return std::make_unique<Scaffold>(o); }

}  // namespace tacet
