// See text_classification.h.
#include "tasks/text_classification.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "data/clients/client_batches.h"
#include "data/text/labelled_text.h"
#include "models/text/text_classifier.h"
#include "tacet/registry.h"
#include "tasks/client_shares.h"
#include "tasks/network_task.h"
#include "tasks/run_precision.h"

namespace tacet {
namespace {

constexpr int64_t texts_in_unit = 512;  // examples in a unit of evaluation

std::vector<int32_t> narrow(const std::vector<int64_t>& numbers) { return {numbers.begin(), numbers.end()}; }

TextClassifierOptions network_options(const Recipe& recipe, bool pair, int64_t vocabulary, int64_t classes) {
  TextClassifierOptions o = text_classifier_options(recipe.model, pair);
  o.vocabulary = vocabulary;
  o.classes = classes;
  o.precision = precision_of(recipe.run);
  return o;
}

class TextObjective : public NetworkObjective {
 public:
  TextObjective(const Recipe& recipe, int clients)
      : data_(load_labelled_text(recipe.data, numbering_of(recipe))),
        batches_(make_client_batches(recipe, narrow(data_.train.labels), narrow(data_.train.users), clients)),
        pair_(find_model(recipe.model.text("name")).task == "sentence-pairs"),
        model_(make_model(recipe)),
        eval_batch_(labelled_options(recipe.data).eval_batch) {
    keep(recipe, tacet::data_record(data_, recipe.data.text("name")), data_.notes);
    adopt(*model_, recipe, [this, recipe] { return make_model(recipe); });
  }

  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    load(y);
    const std::vector<int32_t> examples = waiting_for([&] { return batches_.next(draw); });
    const auto count = static_cast<int64_t>(examples.size());
    gradient_buffer().zero_();
    const torch::Tensor s = scores(data_.train, examples, &draw), wanted = labels(data_.train, examples);
    const torch::Tensor loss = model_->loss(s, wanted) / static_cast<double>(count);
    loss.backward();
    return {loss.item<double>(), count, correct_in(s, wanted), static_cast<double>(count)};
  }

  int64_t training_samples() const override { return batches_.samples(); }
  double client_weight(int client) const override { return batches_.client_weight(client); }
  ClientPass client_pass(int client, int64_t round) override { return batches_.pass(client, round); }

  std::vector<std::string> splits() const override { return {"valid", "test"}; }
  int units(const std::string& split) const override {
    return static_cast<int>((of(split).size() + texts_in_unit - 1) / texts_in_unit);
  }
  bool has_accuracy() const override { return true; }

  bool evaluates_training() const override { return true; }
  int gradient_units() const override { return units("train"); }

  Score evaluate(const std::string& split, int unit, const Vec& x) override {
    load(x);
    const torch::NoGradGuard no_grad;
    return score_of(of(split), unit);
  }
  Score unit_gradient(int unit, const Vec& x) override {
    load(x);
    gradient_buffer().zero_();
    return score_of(data_.train, unit);
  }

  void state(StateVisitor& visitor) override { batches_.state(visitor); }

 private:
  std::shared_ptr<TextClassifier> make_model(const Recipe& recipe) const {
    return std::make_shared<TextClassifier>(
        network_options(recipe, pair_, static_cast<int64_t>(data_.words.size()), static_cast<int64_t>(data_.classes.size())),
        data_.vectors, static_cast<uint64_t>(recipe.run.integer("seed")));
  }

  const TextSplit& of(const std::string& split) const {
    return split == "train" ? data_.train : split == "valid" ? data_.valid : data_.test;
  }

  // Returns the sums over a unit. Where gradients are on, adds that of its loss to gradient_buffer().
  Score score_of(const TextSplit& data, int unit) {
    std::vector<int32_t> examples;
    for (int64_t k = unit * texts_in_unit; k < std::min((unit + 1) * texts_in_unit, data.size()); ++k)
      examples.push_back(static_cast<int32_t>(k));
    // Texts of like length together: less to compute, and the same whoever takes the unit.
    std::stable_sort(examples.begin(), examples.end(),
                     [&](int32_t a, int32_t b) { return data.first[a].size() < data.first[b].size(); });
    Score score;
    for (size_t k = 0; k < examples.size(); k += static_cast<size_t>(eval_batch_)) {
      const size_t end = std::min(k + static_cast<size_t>(eval_batch_), examples.size());
      const std::vector<int32_t> batch(examples.begin() + static_cast<ptrdiff_t>(k),
                                       examples.begin() + static_cast<ptrdiff_t>(end));
      const torch::Tensor s = scores(data, batch, nullptr), y = labels(data, batch), loss = model_->loss(s, y);
      if (at::GradMode::is_enabled()) loss.backward();
      score.loss += loss.item<double>();
      score.correct += correct_in(s, y);
      score.count += static_cast<double>(batch.size());
    }
    return score;
  }

  static double correct_in(const torch::Tensor& scores, const torch::Tensor& labels) {
    const torch::NoGradGuard no_grad;
    return scores.argmax(1).eq(labels).sum().item<double>();
  }

  torch::Tensor scores(const TextSplit& data, const std::vector<int32_t>& examples, const BatchKey* draw) {
    std::vector<TextView> first, second;
    for (const int32_t k : examples) {
      first.push_back(data.first[k]);
      if (pair_) second.push_back(data.second[k]);
    }
    return model_->scores(first, second, draw);
  }
  static torch::Tensor labels(const TextSplit& data, const std::vector<int32_t>& examples) {
    torch::Tensor y = torch::empty({static_cast<int64_t>(examples.size())}, torch::kLong);
    for (size_t k = 0; k < examples.size(); ++k) y.data_ptr<int64_t>()[k] = data.labels[static_cast<size_t>(examples[k])];
    return y;
  }

  LabelledText data_;
  ClientBatches batches_;
  bool pair_;
  std::shared_ptr<TextClassifier> model_;
  int64_t eval_batch_;
};

}  // namespace

std::unique_ptr<Objective> make_text_objective(const Recipe& recipe, int clients) {
  return std::make_unique<TextObjective>(recipe, clients);
}

}  // namespace tacet
