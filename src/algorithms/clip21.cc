// Clip21: Khirirat, Gorbunov, Horváth, Islamov, Karray, Richtárik, "Clip21: Error Feedback for Gradient Clipping", 2023,
// and with β > 0 or a share below 1 its momentum form (Islamov, Horváth, Lucchi, Richtárik, Gorbunov, "Double Momentum and
// Error Feedback for Clipping with Fast Rates and Differential Privacy", 2025). What a client sends is the clipped
// difference to what it has sent so far; after a few messages nothing is clipped any more, and clipping has no bias. τ = γ/η
// bounds a message, so that it moves the model by at most γ. The step of the last message is taken in its own round.
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct Clip21 : Algorithm {
  void options(OptionList& o) override {
    beta(o, "beta1", beta1, 0, "β₁ of the client's momentum vⁱ");
    o.number("message_share", share, 1, left_open(0, 1), "β₂: share of a message that client and server take over");
  }

  void round(Round& r, Vec& x) override {
    if (!g.defined()) g = at::zeros_like(x);
    for (int t = 0; t < r.I; ++t) {
      const Vec c = r.mean([&](Client& i) {
        Vec &v_i = momenta.at(i, x), &g_i = sent.at(i, x);
        const Vec gradient = i.gradient(x);
        if (i.skips()) return at::zeros_like(x);
        const Rates rates = r.rates(t);
        average_in(v_i, gradient, beta1);  // vⁱ ← β₁ vⁱ + (1 − β₁) ∇f_i(x)
        Vec c_i = v_i - g_i;
        const double a = i.clip(rates, l2_norm(c_i));
        c_i.mul_(a / rates.eta);  // clip_τ(vⁱ − gⁱ)
        g_i.add_(c_i, share);
        return c_i;
      });
      g.add_(c, share);
      x.sub_(g, r.rates(t).eta);
    }
  }

  void state(StateVisitor& v) override {
    v.global("g", g);
    v.clients("momentum", momenta);
    v.clients("sent", sent);
  }

  double beta1 = 0, share = 1;
  Vec g;                    // the mean of all gⁱ
  PerClient momenta, sent;  // vⁱ and gⁱ
};

}  // namespace

AlgorithmInfo clip21() {
  return {
      .name = "clip21",
      .paper = "Khirirat et al., 2023; with momentum Islamov et al., 2025",
      .summary = "Every message is the clipped difference to what the client has sent so far, so that clipping has no bias.",
      .use = "Clients that differ and messages that must be short, at a message a step.",
      .vectors_sent = every,
      .collectives = every,
      .create = [] { return std::make_unique<Clip21>(); },
      .clips = Clips::always,
      .every_client = true};
}

}  // namespace tacet
