// DES-LOC: Iacob, Sani, Safaryan, Giampouras, Horváth, Jovanović, Kurmanji, Aleksandrov, Shen, Qiu, Lane, "DES-LOC: Desynced
// Low Communication Adaptive Optimizers for Training Foundation Models", 2025. Local Adam whose models are averaged in every
// round, its first moments in every k-th only, and its second moments, which change more slowly, in fewer still. Local Adam
// averages all three in every round. Gradients are clipped to max_norm, moments are not bias-corrected, as in the listing.
#include "algorithms/common_options.h"

namespace tacet {
namespace {

enum class Moments { desynced, together };

struct DesLoc : Algorithm {
  explicit DesLoc(Moments given) : moments(given) {}

  void options(OptionList& o) override {
    beta(o, "beta1", beta1, 0.9, "β₁ of the first moment");
    beta(o, "beta2", beta2, 0.95, "β₂ of the second moment");
    o.number("epsilon", epsilon, 1e-8, above(0), "ε: added to the second moment's root");
    o.number("max_norm", max_norm, 1, above_or_infinite(0), "gradients longer than this are shortened to it; inf: never");
    if (moments == Moments::together) return;
    o.integer("first_every", first_every, 3, within(1, 1e9), "rounds between two averages of the first moments");
    o.integer("second_every", second_every, 6, within(1, 1e9), "rounds between two averages of the second moments");
  }

  void round(Round& r, Vec& x) override {
    const bool with_first = (r.number + 1) % first_every == 0, with_second = (r.number + 1) % second_every == 0;
    std::vector<int> moments_sent;
    if (with_first) moments_sent.push_back(1);
    if (with_second) moments_sent.push_back(2);
    const auto mean = r.means_of(x, moments_sent, [&](Client& i) {
      Vec &m = first.at(i, x), &v = second.at(i, x);
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        auto [g, norm] = i.gradient(y);
        if (i.skips()) continue;
        const double eta = r.rates(t).eta, a = i.clip({eta, eta * max_norm}, norm);
        if (a < eta) g.mul_(a / eta);
        average_in(m, g, beta1);                      // m ← β₁ m + (1 − β₁) g
        v.mul_(beta2).addcmul_(g, g, 1 - beta2);      // v ← β₂ v + (1 − β₂) g²
        y.addcdiv_(m, v.sqrt().add_(epsilon), -eta);  // y ← y − η m/(√v + ε)
      }
      std::vector<Vec> sent = {y};
      if (with_first) sent.push_back(m);
      if (with_second) sent.push_back(v);
      return sent;
    });
    x = mean.front();
    if (with_first) share(r, mean[1], first);
    if (with_second) share(r, mean.back().clamp_min(0), second);  // a coded mean may lie a little below 0
  }

  // Gives the clients that took part the mean.
  static void share(const Round& r, const Vec& mean, PerClient& moment) {
    for (auto& [id, own] : moment.all())
      if (r.sampled(id)) own.copy_(mean);
  }

  void state(StateVisitor& v) override {
    v.clients("first_moments", first);
    v.clients("second_moments", second);
  }

  Moments moments;
  double beta1 = 0, beta2 = 0, epsilon = 0, max_norm = infinity;
  int first_every = 1, second_every = 1;
  PerClient first, second;  // m and v
};

}  // namespace

AlgorithmInfo local_adam() {
  return {.name = "local-adam",
          .paper = "Iacob et al., 2025 (DES-LOC), with one period",
          .summary = "Local Adam steps; models and both moments are averaged in every round.",
          .use = "Transformers, where three vectors a round are cheap.",
          .vectors_sent = [](int) { return 3.0; },
          .create = [] { return std::make_unique<DesLoc>(Moments::together); },
          .fresh_models = true,
          .own_steps = true};
}

AlgorithmInfo des_loc() {
  return {.name = "des-loc",
          .paper = "Iacob et al., 2025",
          .summary = "Local Adam steps; models are averaged in every round, first and second moments more seldom.",
          .use = "As local-adam, over a slow network.",
          .vectors_sent = [](int) { return 1.5; },  // on average, with the default periods
          .vectors_by_options =
              [](const Values& o, int) {
                return 1 + 1 / static_cast<double>(o.integer("first_every")) +
                       1 / static_cast<double>(o.integer("second_every"));
              },
          .create = [] { return std::make_unique<DesLoc>(Moments::desynced); },
          .fresh_models = true,
          .own_steps = true};
}

}  // namespace tacet
