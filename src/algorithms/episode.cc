// EPISODE, Episodic Gradient Clipping with Periodic Resampled Corrections: Crawshaw, Bao, Liu, ICLR 2023, Algorithm 1. Each
// round first averages fresh gradients at the common model. Their mean G corrects the clients' gradients, and ‖G‖ alone
// decides, once and for all clients, whether the round's steps are plain or normalised. Gⁱ may come from several
// mini-batches (`resampling`).
#include "algorithms/corrected_step.h"

namespace tacet {
namespace {

struct Episode : Algorithm {
  void options(OptionList& o) override {
    step.options(o);
    o.integer("resampling", batches, 1, within(1, 1e6), "mini-batches whose gradients make Gⁱ");
  }

  void round(Round& r, Vec& x) override {
    const Vec G = r.mean([&](Client& i) {
      Vec& G_i = corrections.at(i, x);
      G_i.zero_();
      for (int k = 0; k < batches; ++k) G_i.add_(i.resample(x));
      return G_i.div_(batches);
    });
    const double norm = l2_norm(G);
    const bool clipping = norm > r.rates(0).gamma / r.rates(0).eta;  // 1(‖G‖ > γ/η)
    r.note("global_norm", norm);
    r.note("indicator", clipping);

    x = r.mean(x, [&](Client& i) {
      const Vec& G_i = corrections.at(i, x);
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        Vec g = i.gradient(y);
        if (i.skips()) continue;
        double length = correct(g, G_i, G);     // ‖g − Gⁱ + G‖
        length = step.direct(i, g, length, y);  // with decay or momentum, where asked
        const double a = clipping ? i.normalized(r.rates(t), length) : i.plain(r.rates(t), length);
        step.take(y, g, a);
      }
      return y;
    });
  }

  void state(StateVisitor& v) override {
    v.scratch("corrections", corrections);
    step.state(v);
  }

  CorrectedStep step;
  int batches = 1;
  PerClient corrections;  // Gⁱ
};

}  // namespace

AlgorithmInfo episode() {
  return {.name = "episode",
          .paper = "Crawshaw, Bao, Liu, ICLR 2023, Algorithm 1",
          .summary =
              "Local steps corrected by fresh gradients at the common model; the norm of their mean decides for all "
              "clients whether the round clips.",
          .use = "Exploding gradients and clients whose data differ; all or most of them take part.",
          .vectors_sent = two,
          .collectives = two,
          .resamples = [](const Values& o, int) { return static_cast<double>(o.integer("resampling")); },
          .create = [] { return std::make_unique<Episode>(); },
          .clips = Clips::always,
          .fresh_models = true,
          .own_steps = true};
}

}  // namespace tacet
