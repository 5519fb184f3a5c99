// Streaming DiLoCo: Douillard, Donchev, Rush, Kale, Charles, Garrett, et al., "Streaming DiLoCo with overlapping
// communication: Towards a Distributed Free Lunch", 2025. The model is dealt to P parts (`fragments`), blocks of layers in
// turn, and a round of H/P steps (`interval`) averages one of them, so that each is averaged once in H steps and a message
// is a P-th of the model. A part is sent `delay` = τ steps before its round ends, and its mean has to be there at the end.
// The clients keep their models: only the part that was averaged changes, to μ y + (1 − μ) x, or by how far x is from the
// part that was sent, as in celgc-overlap. P = 1 and τ = 0 is DiLoCo.
#include <cassert>
#include <map>
#include <string>
#include <vector>

#include "algorithms/inner_optimiser.h"
#include "algorithms/outer_optimiser.h"

namespace tacet {
namespace {

struct DilocoStreaming : Algorithm {
  void options(OptionList& o) override {
    inner.options(o, {.kind = "adamw", .weight_decay = 0.1, .max_norm = 1});
    outer.options(o, 0.9);
    o.integer("fragments", fragments, 1, within(1, 1e4),
              "parts P of the model, of which each round averages one; at most its blocks");
    o.integer("delay", delay, 0, within(0, 1e9),
              "τ: last local steps of a round during which its message travels, at most interval; 0 waits at once");
    o.text("merge", merge, "replace", {"replace", "add"},
           "how a client takes the averaged part x: replace, y ← μy + (1 − μ)x; add, y ← y + x − the part that it had sent");
    o.number("mix", mix, 0, within(0, 1), "μ: share of its own part that a client keeps").only_with = {
        {"merge", {"replace"}}};
    moments.resize(static_cast<size_t>(fragments));
  }

  // Refuses a model of too few blocks before the first step.
  void begin(Round& everyone, const Vec& /*x*/) override { deal(everyone); }

  void round(Round& r, Vec& x) override {
    assert(delay <= r.I);
    deal(r);
    const ModelPart& part = parts[static_cast<size_t>(r.number % fragments)];
    const Vec x_f = part.of(x);
    std::map<int, Vec> sent;  // yⁱ_f of this rank's clients
    const auto send = [&](Client& i) { return sent[i.id()] = part.of(model(i, x)); };

    Vec mean;
    if (delay == 0) {
      mean = r.mean(part, x_f, [&](Client& i) {
        learn(r, i, x, 0, r.I);
        return send(i);
      });
    } else {
      r.work([&](Client& i) { learn(r, i, x, 0, r.I - delay); });
      const Round::Pending pending = r.start_mean(part, x_f, send);
      r.work([&](Client& i) { learn(r, i, x, r.I - delay, r.I); });
      mean = pending.get();
    }

    const Vec D = x_f - mean;
    const Vec renewed = x_f - outer.alpha * outer.direction(D, moments[static_cast<size_t>(part.number)]);
    x = x.clone();
    part.put(renewed, x);
    for (auto& [id, y_i] : own.all())
      part.put(merge == "add" ? part.of(y_i) + (renewed - sent.at(id)) : mix * part.of(y_i) + (1 - mix) * renewed, y_i);
  }

  void state(StateVisitor& v) override {
    inner.state(v);
    v.clients("models", own);
    for (size_t f = 0; f < moments.size(); ++f) {
      v.global("u." + std::to_string(f), moments[f].u);
      v.global("v." + std::to_string(f), moments[f].v);
    }
  }

  // Takes the client's local steps `first` to `last` − 1 of the round.
  void learn(const Round& r, Client& i, const Vec& x, int first, int last) {
    Vec& y_i = model(i, x);
    Vec y = i.start(y_i);
    for (int t = first; t < last; ++t) {
      const Gradient g = i.gradient(y);
      inner.step(i, r.rates(t), g, y, r.layers);
    }
    y_i.copy_(y);
  }

  // Returns yⁱ, which is x before the client's first step.
  Vec& model(const Client& i, const Vec& x) {
    const bool first = !own.has(i);
    Vec& y_i = own.at(i, x);
    if (first) y_i.copy_(x);
    return y_i;
  }

  void deal(const Round& r) {
    if (parts.empty()) parts = parts_in_turn(r.layers, fragments, "algorithm.fragments");
  }

  InnerOptimiser inner;
  OuterOptimiser outer;
  int fragments = 1, delay = 0;
  std::string merge;
  double mix = 0;  // μ
  std::vector<ModelPart> parts;
  std::vector<OuterOptimiser::OuterMoments> moments;  // by part
  PerClient own;
};

}  // namespace

AlgorithmInfo diloco_streaming() {
  return {.name = "diloco-streaming",
          .paper = "Douillard et al., 2025",
          .summary = "DiLoCo that averages one part of the model after the other, while the clients go on.",
          .use = "As diloco, over a network that a whole model would block for long.",
          .create = [] { return std::make_unique<DilocoStreaming>(); },
          .clips = Clips::when_asked,
          .every_client = true,
          .own_models = true,
          .fresh_models = true,
          .parts = "fragments"};
}

}  // namespace tacet
