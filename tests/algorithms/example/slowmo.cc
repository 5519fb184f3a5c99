// SlowMo: Wang, Tantia, Ballas, Rabbat, "SlowMo: Improving Communication-Efficient Distributed SGD with Slow Momentum",
// ICLR 2020, Algorithm 1. Local SGD whose clients' mean change is smoothed by a momentum that all share.
#include "algorithms/methods.h"

namespace tacet {
namespace {

struct SlowMo : Algorithm {
  explicit SlowMo(const Values& o) : beta(o.number("beta")), alpha(o.number("alpha")) {}

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

  double beta, alpha;
  Vec u;
};

}  // namespace

std::unique_ptr<Algorithm> make_slowmo(const Values& o) { return std::make_unique<SlowMo>(o); }

}  // namespace tacet
