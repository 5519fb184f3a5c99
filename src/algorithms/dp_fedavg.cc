// DP-FedAvg with adaptive clipping: Andrew, Thakkar, McMahan, Ramaswamy, "Differentially Private Learning with Adaptive
// Clipping", NeurIPS 2021, Algorithm 1, without server momentum. Clients' changes are shortened to C, and noise is added to
// their sum. C follows the quantile of the changes' lengths, of which each client tells one bit, in noise of its own. What
// the noise is worth is the accountant's (src/analysis/privacy.h), and only noise from the system's random numbers is.
#include <algorithm>
#include <cmath>
#include <optional>

#include <ATen/ops/zeros_like.h>

#include "algorithms/inner_optimiser.h"

namespace tacet {
namespace {

struct DpFedAvg : Algorithm {
  void options(OptionList& o) override {
    const std::vector<OnlyWith> fixed = {{"clip_rate", {0.0}}};
    inner.options(o, {});
    o.number("noise_multiplier", z, 0, at_least(0),
             "z: noise of a round, in units of the most that one client changes its sums; 0: none");
    o.number("clip_norm", first_C, 0.1, above(0), "C₀: length to which clients' changes are shortened in the first round");
    o.number("clip_rate", clip_rate, 0.2, at_least(0), "η_C: step size of log C; 0: C stays");
    o.number("clip_quantile", quantile, 0.5, within(0, 1), "q: share of clients whose changes are to be no longer than C")
        .not_with = fixed;
    o.maybe_number("bit_noise", bit_noise, above(0),
                   "σ_b: noise of the sum of the clients' bits, more than noise_multiplier / 2; without it S/20, or "
                   "noise_multiplier where that is more, and no noise where that is 0")
        .not_with = fixed;
    o.text("noise_source", source, "keyed", {"keyed", "system"},
           "keyed, noise from the run's seed: a simulation that can be repeated and gives no privacy; system, noise and "
           "sampled clients from the system's random numbers: the run can't be repeated, and its ε is reported");
    o.maybe_number("privacy_delta", delta, {0, 1, true, true},
                   "δ for which ε is reported; without it clients.count to the power of -1.1")
        .only_with = {{"noise_source", {"system"}}};
  }

  void begin(Round&, const Vec&) override { C = first_C; }

  void round(Round& r, Vec& x) override {
    const double S = r.mean_S;
    std::vector<double> bit(1);
    Vec change = at::zeros_like(x);
    if (r.participation > 0)
      change = r.mean(Vec(), bit, [&](Client& i, std::vector<double>& b) {
        Vec y = i.start(x);
        for (int t = 0; t < i.steps(); ++t) {
          const Gradient g = i.gradient(y);
          inner.step(i, r.rates(t), g, y, r.layers);
        }
        Vec delta_i = y - x;
        const double length = l2_norm(delta_i);
        b[0] = length <= C ? 0.5 : -0.5;  // bⁱ − ½, so that who is not there adds nothing
        if (length > C) delta_i.mul_(C / length);
        return delta_i;
      });
    const double came = std::round(r.participation * r.N);
    double share = 0.5 + came / S * bit[0];  // b̃
    x = x + came / S * change;
    if (z > 0 || bit_noise) {
      const int64_t d = x.numel();
      const Vec noise = r.normals(d + 1);
      x.add_(noise.narrow(0, 0, d), change_noise(S) * C / S);
      share += bit_deviation(S) / S * noise[d].item<double>();
    }
    r.note("clip_norm", C);
    r.note("clip_share", share);
    C *= std::exp(-clip_rate * (share - quantile));
  }

  void state(StateVisitor& v) override {
    v.number("clip_norm", C);
    inner.state(v);
  }

  std::optional<PrivateRounds> privacy() const override { return PrivateRounds{z, source == "system", delta}; }

  // σ_b. It is 0 where C stays, as nobody then needs the bits.
  double bit_deviation(double S) const {
    if (clip_rate == 0) return 0;
    return bit_noise.value_or(z > 0 ? std::max(S / 20, z) : 0);
  }

  // z_Δ = (z⁻² − (2σ_b)⁻²)^(−½): with the bits' noise both sums together are worth z.
  double change_noise(double S) const {
    const double sigma = bit_deviation(S);
    return z == 0 || sigma == 0 ? z : 1 / std::sqrt(1 / (z * z) - 1 / (4 * sigma * sigma));
  }

  InnerOptimiser inner;
  double z = 0, first_C = 0.1, clip_rate = 0, quantile = 0.5;
  std::optional<double> bit_noise, delta;
  std::string source;
  double C = 0;
};

}  // namespace

AlgorithmInfo dp_fedavg() {
  return {
      .name = "dp-fedavg",
      .paper = "Andrew, Thakkar, McMahan, Ramaswamy, NeurIPS 2021, Algorithm 1",
      .summary = "FedAvg whose clients' changes are shortened to a length that follows their quantile, in Gaussian noise.",
      .use = "Clients that no model may give away; or, without noise, outliers among clients.",
      .create = [] { return std::make_unique<DpFedAvg>(); },
      .clips = Clips::when_asked,
      .fresh_models = true,
      .own_steps = true,
      .numbers_sent = 1};
}

}  // namespace tacet
