// Smoothed normalisation with error compensation, "normEC": Shulgin, Khirirat, Richtárik, "Smoothed Normalization for
// Efficient Distributed Private Optimization", 2025, and with local steps its federated form. A client sends the difference
// between its gradient and what it has sent so far, divided by α + its length: a message is shorter than β, near 0 it is
// linear, and nothing is cut off. With local steps the gradient is the mean of theirs.
#include <ATen/ops/zeros_like.h>

#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct NormEc : Algorithm {
  void options(OptionList& o) override {
    o.number("alpha", alpha, 1, above(0), "α: added to the length by which a message is divided");
    o.number("message_length", message_length, 0.5, above(0), "β: no message is longer; below 2α");
    o.number("local_rate", local_rate, 1, above(0), "step size of the local steps, in units of η").only_with_one_of =
        several_steps;
    o.flag("server_normalised", server_normalised, false, "every step of the common model has length η");
  }

  void round(Round& r, Vec& x) override {
    const Vec change = r.mean([&](Client& i) {
      Vec& g_i = sent.at(i, x);
      Vec y = i.start(x), sum = at::zeros_like(x);
      double moved = 0;
      for (int t = 0; t < i.steps(); ++t) {
        const auto [g, norm] = i.gradient(y);
        const double a = i.plain({local_rate * r.rates(t).eta, infinity}, norm);
        descend(y, g, a, {}, nullptr);
        sum.add_(g, a);
        moved += a;
      }
      if (moved == 0) return at::zeros_like(x);    // no step was taken: nothing new about gⁱ
      Vec difference = sum.div_(moved).sub_(g_i);  // (x − y)/Σa − gⁱ
      difference.mul_(message_length / (alpha + l2_norm(difference)));
      g_i.add_(difference);
      return difference;
    });
    if (!g.defined()) g = at::zeros_like(x);
    g.add_(change, r.participation);  // the mean of all gⁱ
    const double length = l2_norm(g), eta = r.rates(0).eta;
    x = x - (server_normalised ? eta / (1e-10 + length) : eta) * g;
  }

  void state(StateVisitor& v) override {
    v.global("g", g);
    v.clients("sent", sent);
  }

  double alpha = 0, message_length = 0, local_rate = 0;
  bool server_normalised = false;
  Vec g;
  PerClient sent;  // gⁱ
};

}  // namespace

AlgorithmInfo norm_ec() {
  return {
      .name = "norm-ec",
      .paper = "Shulgin, Khirirat, Richtárik, 2025",
      .summary = "Clients send the smoothly normalised difference between their gradient and what they have sent so far.",
      .use = "Clients that differ and messages that must be short, without a threshold to tune.",
      .create = [] { return std::make_unique<NormEc>(); },
      .fresh_models = true,
      .own_steps = true};
}

}  // namespace tacet
