// EPISODE++: Crawshaw, Bao, Liu, "Federated Learning with Client Subsampling, Data Heterogeneity, and Unbounded Smoothness",
// NeurIPS 2023, Algorithm 1. EPISODE for sampled clients: corrections are those of each client's last round, kept with it,
// and G is their mean over all N clients, so one message a round is enough.
#include <ATen/ops/zeros_like.h>

#include "algorithms/corrected_step.h"

namespace tacet {
namespace {

struct EpisodePlusPlus : Algorithm {
  void options(OptionList& o) override { step.options(o); }

  void begin(Round& everyone, const Vec& x) override {
    G = everyone.mean([&](Client& i) { return corrections.at(i, x).copy_(i.resample(x)); });
  }

  void round(Round& r, Vec& x) override {
    const double norm = l2_norm(G);
    const bool clipping = norm > r.rates(0).gamma / r.rates(0).eta;  // 1(‖G‖ > γ/η)
    r.note("global_norm", norm);
    r.note("indicator", clipping);

    auto mean = r.means(x, 2, [&](Client& i) {
      Vec& G_i = corrections.at(i, x);
      Vec sum = at::zeros_like(x);  // Σ of the raw gradients
      Vec y = i.start(x);
      int taken = 0;
      for (int t = 0; t < i.steps(); ++t) {
        Vec g = i.gradient(y);
        if (i.skips()) continue;
        ++taken;
        sum.add_(g);
        double length = correct(g, G_i, G);     // ‖g − Gⁱ + G‖
        length = step.direct(i, g, length, y);  // with decay or momentum, where asked
        const double a = clipping ? i.normalized(r.rates(t), length) : i.plain(r.rates(t), length);
        step.take(y, g, a);
      }
      if (taken == 0) return std::vector<Vec>{y, sum};  // nothing new about Gⁱ
      sum.div_(taken);                                  // Gⁱ of the next round this client takes part in
      const Vec change = sum - G_i;
      G_i.copy_(sum);
      return std::vector<Vec>{y, change};
    });
    x = mean[0];
    G.add_(mean[1], r.participation);  // G + (1/N) Σ_{i∈S_r} ΔGⁱ
  }

  void state(StateVisitor& v) override {
    v.global("G", G);
    v.clients("corrections", corrections);
    step.state(v);
  }

  CorrectedStep step;
  Vec G;
  PerClient corrections;  // Gⁱ
};

}  // namespace

AlgorithmInfo episode_pp() {
  return {.name = "episode++",
          .paper = "Crawshaw, Bao, Liu, NeurIPS 2023, Algorithm 1",
          .summary =
              "EPISODE with corrections kept from each client's last round: clients may be sampled, and one message a "
              "round is enough.",
          .use = "Exploding gradients, clients whose data differ, few of them in each round.",
          .vectors_sent = two,
          .create = [] { return std::make_unique<EpisodePlusPlus>(); },
          .clips = Clips::always,
          .fresh_models = true,
          .own_steps = true};
}

}  // namespace tacet
