// See language_modelling.h.
#include "tasks/language_modelling.h"

#include <cmath>

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "data/record/data_record.h"
#include "data/text/corpus.h"
#include "data/text/corpus_batches.h"
#include "engine/pass_ends.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/language_model.h"
#include "tacet/registry.h"
#include "tasks/fresh_batches.h"
#include "tasks/network_task.h"
#include "tasks/run_precision.h"

namespace tacet {
namespace {

class LanguageObjective : public NetworkObjective, public PassEnds, public FreshBatches {
 public:
  LanguageObjective(const Recipe& recipe, int clients)
      : corpus_(read_corpus(recipe)),
        batches_(corpus_, batch_options(recipe), recipe.evaluation ? 1 : clients),
        model_(make_model(recipe)),
        batch_size_(text_options(recipe.data).batch_size) {
    if (splits().empty()) {
      const std::vector<std::string> why = notes();
      throw UserError("no text can be evaluated: " + (why.empty() ? "the corpus has neither valid nor test" : why.front()));
    }
    const TextOptions text = text_options(recipe.data);
    const int64_t context = model_->context(), longest = longest_batch(text);
    if (context > 0 && context < longest)
      throw UserError("model.context must be at least the longest batch, " + std::to_string(longest) +
                      " positions (data.bptt" + (text.random_lengths ? " + 20, as data.random_lengths is on" : "") +
                      "), got " + std::to_string(context));
    adopt(model_->module(), recipe, [this, recipe] {
      const auto model = make_model(recipe);
      return std::shared_ptr<torch::nn::Module>(model, &model->module());
    });
  }

  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    load(y);
    const TextBatch batch = waiting_for([&] { return next(draw); });
    LanguageModel::State state = model_->zero_state(batch_size_);
    if (!batch.fresh && hidden_.all().count(draw.client)) unpack(hidden_.all()[draw.client], state);
    gradient_buffer().zero_();
    const LanguageModel::Loss loss = model_->loss(batch.input, batch.target, state, &draw);
    loss.objective.backward();
    const double value = loss.cross_entropy.item<double>();
    // A state that is not finite would spoil all batches of the pass: they would be skipped with this one.
    Vec carried = pack(state);
    if (std::isfinite(value) && (carried.numel() == 0 || std::isfinite(l2_norm(carried))))
      hidden_.all()[draw.client] = std::move(carried);
    else
      hidden_.all().erase(draw.client);
    return {value, batch.target.numel()};
  }

  // Tells as well which texts are not seen whole, where more than a hundredth is left out.
  std::vector<std::string> notes() const override {
    std::vector<std::string> out = NetworkObjective::notes();
    if (const int64_t left = batches_.untrained_tokens(), all = batches_.used_tokens(); 100 * left > all)
      out.push_back(
          std::to_string(left) + " of " + std::to_string(all) +
          " training tokens are in no batch: clients' shards and their streams (data.batch_size) are equally long");
    for (const std::string& split : splits()) {
      const int64_t left = batches_.unevaluated_tokens(split), all = batches_.evaluated_tokens(split);
      if (100 * left > all)
        out.push_back("the last " + std::to_string(left) + " of " + std::to_string(all) + " tokens of " + split +
                      " are not evaluated: they don't fill the streams of data.eval_batch");
    }
    return out;
  }

  double rate_scale(uint64_t seed, int64_t iteration) const override { return batches_.rate_scale(seed, iteration); }
  int64_t training_samples() const override { return batches_.training_tokens(); }
  double client_weight(int client) const override { return batches_.client_weight(client); }
  int64_t steps_to_pass_end(uint64_t seed, int64_t iteration) override {
    return batches_.steps_to_pass_end(seed, iteration);
  }

  std::vector<std::string> splits() const override {
    std::vector<std::string> names;  // without those that an evaluation has emptied
    if (!corpus_->valid.empty()) names.push_back("valid");
    if (!corpus_->test.empty()) names.push_back("test");
    return names;
  }
  int units(const std::string&) const override { return batches_.eval_units(); }
  bool has_perplexity() const override { return true; }

  Score evaluate(const std::string& split, int unit, const Vec& x) override {
    load(x);
    const torch::NoGradGuard no_grad;
    return score_of(batches_.eval_batches(split, unit), false);
  }

  int gradient_units() const override { return batches_.pieces(); }
  Score unit_gradient(int unit, const Vec& x) override {
    load(x);
    gradient_buffer().zero_();
    return score_of(batches_.batches_of_piece(unit), afresh_);
  }
  bool start_batches_afresh() override {
    afresh_ = !model_->zero_state(1).empty();
    return afresh_;
  }

  void state(StateVisitor& visitor) override {
    visitor.clients("position", positions_);
    visitor.clients("hidden", hidden_);
  }

 private:
  // Returns the client's next batch, from where positions_ says that it is. A round that leaves a client out puts it back
  // there.
  TextBatch next(const BatchKey& draw) {
    TextBatches::Position& p = batches_.position(draw.client);
    const auto kept = positions_.all().find(draw.client);
    p = kept == positions_.all().end()
            ? TextBatches::Position{}
            : TextBatches::Position{kept->second[0].item<int64_t>(), kept->second[1].item<int64_t>()};
    TextBatch batch = batches_.next(draw);
    positions_.all()[draw.client] = torch::tensor({p.pass, p.offset}, torch::kInt64);
    return batch;
  }

  std::shared_ptr<const Corpus> read_corpus(const Recipe& recipe) {
    const std::string name = recipe.data.text("name");
    Corpus corpus = load_corpus(recipe.data, name);
    std::vector<std::string> notes;
    if (const auto record = numbering_of(recipe); record && !record->vocabulary.empty())
      notes = renumber(corpus, *record, recipe.evaluation);
    keep(recipe, tacet::data_record(corpus, name), notes);
    return std::make_shared<const Corpus>(std::move(corpus));
  }

  // Returns the sums over consecutive batches, without dropout and penalties; with `afresh` each starts from the zero state.
  // Where gradients are on, adds that of their cross-entropy to gradient_buffer(). It goes back to the begin of each batch.
  Score score_of(const std::vector<TextBatch>& batches, bool afresh) {
    Score score;
    LanguageModel::State state;
    for (const TextBatch& batch : batches) {
      if (batch.fresh || afresh) state = model_->zero_state(batch.input.size(1));
      const torch::Tensor loss = model_->loss(batch.input, batch.target, state, nullptr).cross_entropy;
      const auto count = static_cast<double>(batch.target.numel());
      if (at::GradMode::is_enabled()) (loss * count).backward();
      score.loss += loss.item<double>() * count;
      score.count += count;
    }
    return score;
  }

  // Returns the options of mini-batches. An evaluation has one client, who draws none.
  static TextOptions batch_options(const Recipe& recipe) {
    TextOptions options = text_options(recipe.data);
    if (!recipe.evaluation) return options;
    options.batch_size = 1;
    options.percent.clear();
    return options;
  }

  std::shared_ptr<LanguageModel> make_model(const Recipe& recipe) const {
    return make_language_model(recipe.model, static_cast<int64_t>(corpus_->vocabulary.size()),
                               static_cast<uint64_t>(recipe.run.integer("seed")), precision_of(recipe.run));
  }

  // A client's carried state as one flat vector; of size 0 where the model carries nothing.
  static Vec pack(const LanguageModel::State& state) {
    std::vector<torch::Tensor> flat = {torch::empty({0})};
    for (const torch::Tensor& t : state) flat.push_back(t.reshape({-1}));
    return torch::cat(flat);
  }
  static void unpack(const Vec& flat, LanguageModel::State& state) {
    int64_t at = 0;
    for (torch::Tensor& t : state) {
      t.copy_(flat.narrow(0, at, t.numel()).view_as(t));
      at += t.numel();
    }
  }

  std::shared_ptr<const Corpus> corpus_;
  TextBatches batches_;
  std::shared_ptr<LanguageModel> model_;
  int64_t batch_size_;
  bool afresh_ = false;  // unit_gradient() starts every batch from the zero state
  PerClient hidden_;
  PerClient positions_;  // pass and offset as int64; only of clients that have drawn
};

}  // namespace

std::unique_ptr<Objective> make_language_objective(const Recipe& recipe, int clients) {
  return std::make_unique<LanguageObjective>(recipe, clients);
}

}  // namespace tacet
