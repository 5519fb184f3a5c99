// A method of one's own, and a program that trains with it as `tacet` does with the built-in ones. SlowMo: Wang, Tantia,
// Ballas, Rabbat, "SlowMo: Improving Communication-Efficient Distributed SGD with Slow Momentum", ICLR 2020, Algorithm 1.
// Local SGD whose clients' mean change is smoothed by a momentum that all share.
#include <memory>

#include <ATen/ops/zeros_like.h>

#include <tacet/algorithm.h>
#include <tacet/command.h>
#include <tacet/registry.h>

using namespace tacet;

struct SlowMo : Algorithm {
  void options(OptionList& o) override {
    o.number("beta", beta, 0.5, half_open(0, 1), "slow momentum β");
    o.number("alpha", alpha, 1, above(0), "slow step size α");
  }

  void round(Round& r, Vec& x) override {
    const Vec mean = r.mean([&](Client& i) {  // the one message of the round
      Vec y = i.start(x);
      for (int t = 0; t < r.I; ++t) {
        const auto [g, norm] = i.gradient(y);
        descend(y, g, i.plain(r.rates(t), norm), {}, nullptr);  // y ← y − η g
      }
      return y;
    });
    const double eta = r.rates(0).eta;
    if (!u.defined()) u = at::zeros_like(x);
    u.mul_(beta).add_(x - mean, 1 / eta);  // u ← β u + (x − mean yⁱ)/η
    x.sub_(u, alpha * eta);                // x ← x − α η u
  }

  void state(StateVisitor& v) override { v.global("u", u); }  // all that lives across rounds

  double beta = 0, alpha = 0;
  Vec u;
};

AlgorithmInfo slowmo() {
  return {.name = "slowmo",
          .paper = "Wang, Tantia, Ballas, Rabbat, ICLR 2020, Algorithm 1",
          .summary = "Local SGD with a momentum on the clients' mean change that all share.",
          .use = "As fedavg, when its progress is noisy.",
          .create = [] { return std::make_unique<SlowMo>(); }};
}

int main(int argc, char** argv) {
  add_algorithm(slowmo());
  return command(argc, argv);
}
