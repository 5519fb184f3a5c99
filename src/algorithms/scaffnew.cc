// Scaffnew, ProxSkip on local steps: Mishchenko, Malinovsky, Stich, Richtárik, "ProxSkip: Yes! Local Gradient Steps Provably
// Lead to Communication Acceleration! Finally!", ICML 2022, Algorithm 2. After every step one coin for all decides with
// probability p = 1/I whether the clients meet, so that a round has I steps on average. Shifts hⁱ, whose mean is 0, turn
// each client's steps towards the common minimum. With a finite γ the shifted gradient is clipped.
#include "algorithms/common_options.h"

namespace tacet {
namespace {

struct Scaffnew : Algorithm {
  int draw_steps(Stream coins, int mean_I) const override {
    const double p = 1.0 / mean_I;
    int steps = 1;
    while (steps < most_steps && coins.uniform() >= p) ++steps;
    return steps;
  }

  void round(Round& r, Vec& x) override {
    const double eta = r.rates(0).eta, p = 1.0 / r.mean_I;
    x = r.mean(x, [&](Client& i) {
      const Vec& h_i = shifts.at(i, x);
      Vec y = i.start(x);
      for (int t = 0; t < r.I; ++t) {
        Vec g = i.gradient(y);
        g.sub_(h_i);
        descend(y, g, i.clip(r.rates(t), l2_norm(g)), {}, nullptr);
      }
      ends.at(i, x).copy_(y);
      return y - (eta / p) * h_i;
    });
    for (const auto& [id, y_i] : ends.all())
      if (const auto h = shifts.all().find(id); h != shifts.all().end()) h->second.add_(x - y_i, p / eta);
  }

  void state(StateVisitor& v) override {
    v.clients("shifts", shifts);
    v.scratch("ends", ends);
  }

  static constexpr int most_steps = 1000000000;
  PerClient shifts, ends;  // hⁱ and ŷⁱ
};

}  // namespace

AlgorithmInfo scaffnew() {
  return {
      .name = "scaffnew",
      .paper = "Mishchenko et al., ICML 2022, Algorithm 2",
      .summary = "Local steps along shifted gradients in rounds of random length, after which clients that differ agree.",
      .use = "Smooth losses and clients whose data differ a lot; I near the root of the condition number.",
      .create = [] { return std::make_unique<Scaffnew>(); },
      .clips = Clips::when_asked,
      .every_client = true,
      .fresh_models = true,
      .draws_steps = true};
}

}  // namespace tacet
