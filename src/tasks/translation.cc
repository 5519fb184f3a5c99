// See translation.h.
#include "tasks/translation.h"

#include <algorithm>
#include <optional>

#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "data/clients/client_batches.h"
#include "data/text/parallel_text.h"
#include "models/text/transformer.h"
#include "tasks/bleu.h"
#include "tasks/client_shares.h"
#include "tasks/network_task.h"
#include "tasks/run_precision.h"

namespace tacet {
namespace {

constexpr int64_t sentences_in_unit = 128;  // sentences in a unit of evaluation

TransformerOptions network_options(const Recipe& recipe, const Subwords& subwords) {
  auto o = read_options<TransformerOptions>(recipe.model);
  o.vocabulary = subwords.size();
  o.precision = precision_of(recipe.run);
  o.pad = subwords.pad;
  o.begin = subwords.begin;
  o.end = subwords.end;
  return o;
}

class TranslationObjective : public NetworkObjective {
 public:
  TranslationObjective(const Recipe& recipe, int clients)
      : data_(load_parallel_text(recipe.data, numbering_of(recipe))),
        batches_(make_client_batches(recipe, std::vector<int32_t>(static_cast<size_t>(data_.train.size())), {}, clients)),
        model_(make_model(recipe)),
        eval_batch_(read_options<ParallelOptions>(recipe.data).eval_batch),
        decoding_(read_options<DecodingOptions>(recipe.model)) {
    keep(recipe, tacet::data_record(data_, recipe.data.text("name")), data_.notes);
    adopt(*model_, recipe, [this, recipe] { return make_model(recipe); });
  }

  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    load(y);
    const std::vector<int32_t> pairs = waiting_for([&] { return batches_.next(draw); });
    gradient_buffer().zero_();
    const Transformer::Loss loss = model_->loss(views(data_.train.source, pairs), views(data_.train.target, pairs), &draw);
    const auto pieces = static_cast<double>(loss.pieces);
    (loss.smoothed / pieces).backward();
    return {loss.cross_entropy.item<double>() / pieces, static_cast<int64_t>(pairs.size())};
  }

  int64_t training_samples() const override { return batches_.samples(); }
  double client_weight(int client) const override { return batches_.client_weight(client); }
  ClientPass client_pass(int client, int64_t round) override { return batches_.pass(client, round); }

  std::vector<std::string> splits() const override { return {"valid", "test"}; }
  int units(const std::string& split) const override {
    return static_cast<int>((of(split).size() + sentences_in_unit - 1) / sentences_in_unit);
  }
  bool has_perplexity() const override { return true; }

  // Sums over target pieces.
  Score evaluate(const std::string& split, int unit, const Vec& x) override {
    load(x);
    const torch::NoGradGuard no_grad;
    const ParallelSplit& data = of(split);
    Score score;
    BleuCounts counts;
    for (const std::vector<int32_t>& pairs : batches_of(data, unit)) {
      const auto source = views(data.source, pairs);
      const Transformer::Loss loss = model_->loss(source, views(data.target, pairs), nullptr);
      score.loss += loss.cross_entropy.item<double>();
      score.count += static_cast<double>(loss.pieces);
      if (!decoding_.translates) continue;
      const auto translations = model_->translate(source, decoding_.how);
      for (size_t b = 0; b < pairs.size(); ++b)
        add_sentence(counts, data_.subwords.decode(translations[b]), data.references[static_cast<size_t>(pairs[b])]);
    }
    if (decoding_.translates) score.more = pack(counts);
    return score;
  }

  int gradient_units() const override { return units("train"); }
  // The gradient is that of the cross-entropy, without label smoothing.
  Score unit_gradient(int unit, const Vec& x) override {
    load(x);
    gradient_buffer().zero_();
    Score score;
    for (const std::vector<int32_t>& pairs : batches_of(data_.train, unit)) {
      const Transformer::Loss loss =
          model_->loss(views(data_.train.source, pairs), views(data_.train.target, pairs), nullptr);
      loss.cross_entropy.backward();
      score.loss += loss.cross_entropy.item<double>();
      score.count += static_cast<double>(loss.pieces);
    }
    return score;
  }

  void evaluated(const std::string&, const Score& total) override {
    if (decoding_.translates) bleu_ = bleu(unpack(total.more));
  }
  // Returns the figures of the split evaluated last.
  std::vector<std::pair<std::string, double>> figures(const Vec&) override {
    if (!bleu_) return {};
    return {{"bleu", *bleu_}};
  }

  void state(StateVisitor& visitor) override { batches_.state(visitor); }

 private:
  std::shared_ptr<Transformer> make_model(const Recipe& recipe) const {
    return std::make_shared<Transformer>(network_options(recipe, data_.subwords),
                                         static_cast<uint64_t>(recipe.run.integer("seed")));
  }

  const ParallelSplit& of(const std::string& split) const {
    return split == "train" ? data_.train : split == "valid" ? data_.valid : data_.test;
  }

  // Returns the pairs of a unit in batches of an evaluation. Sources of like length stand together, so that there is less to
  // compute, and the order is equal whoever takes the unit.
  std::vector<std::vector<int32_t>> batches_of(const ParallelSplit& data, int unit) const {
    std::vector<int32_t> order;
    for (int64_t k = unit * sentences_in_unit; k < std::min((unit + 1) * sentences_in_unit, data.size()); ++k)
      order.push_back(static_cast<int32_t>(k));
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return data.source[a].size() < data.source[b].size(); });
    std::vector<std::vector<int32_t>> batches;
    for (size_t k = 0; k < order.size(); k += static_cast<size_t>(eval_batch_))
      batches.emplace_back(
          order.begin() + static_cast<ptrdiff_t>(k),
          order.begin() + static_cast<ptrdiff_t>(std::min(k + static_cast<size_t>(eval_batch_), order.size())));
    return batches;
  }

  static std::vector<Transformer::View> views(const Texts& texts, const std::vector<int32_t>& chosen) {
    std::vector<Transformer::View> all;
    for (const int32_t k : chosen) all.push_back(texts[k]);
    return all;
  }

  ParallelText data_;
  ClientBatches batches_;
  std::shared_ptr<Transformer> model_;
  int64_t eval_batch_;
  DecodingOptions decoding_;
  std::optional<double> bleu_;
};

}  // namespace

std::unique_ptr<Objective> make_translation_objective(const Recipe& recipe, int clients) {
  return std::make_unique<TranslationObjective>(recipe, clients);
}

}  // namespace tacet
