// See image_classification.h.
#include "tasks/image_classification.h"

#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <map>
#include <optional>

#include "data/clients/client_batches.h"
#include "data/images/images.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"
#include "tasks/client_shares.h"
#include "tasks/network_task.h"
#include "tasks/prefetch.h"
#include "tasks/run_precision.h"

namespace tacet {
namespace {

constexpr int64_t kept_floats = int64_t{16} << 20;  // an evaluated split of at most so many stays ready in memory: 64 MiB

uint64_t seed_of(const Recipe& recipe) { return static_cast<uint64_t>(recipe.run.integer("seed")); }

ImageInput input_of(const Values& data, const ImageData& set) {
  const ImageOptions o = image_options(data);
  return {.padding = o.crop_padding, .flip = o.flip, .mean = set.mean, .deviation = set.deviation};
}

class ClassificationObjective : public NetworkObjective {
 public:
  ClassificationObjective(const Recipe& recipe, int clients)
      : data_(load_images(recipe.data, numbering_of(recipe))),
        batches_(make_client_batches(recipe, data_->train.labels, data_->train.users, clients)),
        input_(input_of(recipe.data, *data_)),
        eval_batch_(image_options(recipe.data).eval_batch),
        model_(make_model(recipe)) {
    keep(recipe, tacet::data_record(*data_, recipe.data.text("name")), data_->notes);
    adopt(*model_, recipe, [this, recipe] { return make_model(recipe); });
    const auto& keys = recipe.model.all();
    const auto batch_norm = keys.find("batch_norm");  // a model of a program's own may have another key of that name
    local_statistics_ = batch_norm != keys.end() && batch_norm->second == Value(std::string("local"));
  }

  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    load(y);
    model_->train(true);
    if (local_statistics_ && statistics_.all().count(draw.client)) buffers().copy_(statistics_.all()[draw.client]);
    drawn_ = {batches_.next(draw), draw};
    const Batch batch = waiting_for([&] { return ahead_.take(drawn_.samples, draw); });
    if (ahead_.pays()) {
      const BatchKey next = order_.next(draw);
      ahead_.expect(batches_.peek(next), next);
    }
    const BatchLoss loss = loss_and_gradient(batch, draw.stream(Purpose::hidden_dropout));
    // A batch that is not finite leaves no statistics behind.
    if (local_statistics_ && buffers().isfinite().all().item<bool>()) statistics_.all()[draw.client] = buffers().clone();
    return loss;
  }

  std::string batch_fault() const override {
    const torch::Tensor x = training_batch(drawn_.samples, drawn_.draw).x;  // the same again, as only the draw decides
    for (int64_t k = 0; k < x.size(0); ++k)
      if (!x[k].isfinite().all().item<bool>())
        return "training image " + std::to_string(drawn_.samples[static_cast<size_t>(k)]) +
               " (counted from 0) has values that are not finite";
    return "";
  }

  int64_t training_samples() const override { return batches_.samples(); }
  double client_weight(int client) const override { return batches_.client_weight(client); }
  ClientPass client_pass(int client, int64_t round) override { return batches_.pass(client, round); }

  std::vector<std::string> splits() const override {
    return data_->valid.size() > 0 ? std::vector<std::string>{"valid", "test"} : std::vector<std::string>{"test"};
  }
  int units(const std::string& name) const override {
    return static_cast<int>((split(name).size() + eval_batch_ - 1) / eval_batch_);
  }
  bool has_accuracy() const override { return true; }

  Score evaluate(const std::string& name, int unit, const Vec& x) override {
    load(x);
    model_->train(false);
    const torch::NoGradGuard no_grad;
    const Batch batch = eval_batch(name, unit);
    const torch::Tensor logits = model_->forward(batch.x, nullptr);
    const double loss = model_->loss(logits, batch.labels).item<double>();
    const auto count = static_cast<double>(batch.labels.size(0));
    Score score{loss * count, correct_in(logits, batch.labels), count};
    if (has_top5()) {
      // Scores that are not numbers count as ahead: nobody has answered right with them.
      const torch::Tensor ahead = (logits <= logits.gather(1, batch.labels.unsqueeze(1))).logical_not().sum(1);
      score.more = {(ahead < 5).sum().item<double>()};
    }
    return score;
  }

  bool evaluates_training() const override { return true; }
  int gradient_units() const override { return units("train"); }
  Score unit_gradient(int unit, const Vec& x) override {
    load(x);
    model_->train(false);
    gradient_buffer().zero_();
    const Batch batch = eval_batch("train", unit);
    const torch::Tensor logits = model_->forward(batch.x, nullptr);
    const auto count = static_cast<double>(batch.labels.size(0));
    const torch::Tensor loss = model_->loss(logits, batch.labels) * count;
    loss.backward();
    return {loss.item<double>(), correct_in(logits, batch.labels), count};
  }

  void evaluated(const std::string&, const Score& total) override {
    if (has_top5() && total.count > 0) top5_ = total.more.at(0) / total.count;
  }
  // Returns the figures of the split evaluated last.
  std::vector<std::pair<std::string, double>> figures(const Vec&) override {
    if (!top5_) return {};
    return {{"top5_accuracy", *top5_}};
  }

  void state(StateVisitor& visitor) override {
    batches_.state(visitor);
    if (buffers().numel() > 0) {
      Vec saved = buffers().clone();
      visitor.global("buffers", saved);
      if (saved.defined()) buffers().copy_(saved);
    }
    if (local_statistics_) visitor.clients("statistics", statistics_);
  }

 private:
  std::shared_ptr<ImageModel> make_model(const Recipe& recipe) const {
    return make_image_model(recipe.model, data_->shape,
                            Stream(seed_of(recipe), Stream::everyone, Purpose::initial_weights, 0, 0),
                            precision_of(recipe.run));
  }

  const ImageSplit& split(const std::string& name) const {
    return name == "train" ? data_->train : name == "valid" ? data_->valid : data_->test;
  }

  bool has_top5() const { return data_->shape.classes > 10; }  // with few classes it says nothing

  struct Batch {
    torch::Tensor x, labels;  // [B, C, H, W], [B]
  };
  Batch training_batch(const std::vector<int32_t>& samples, const BatchKey& draw) const {
    const Stream augment = draw.stream(Purpose::augmentation);
    return batch_of(data_->train, samples, &augment);
  }
  Batch batch_of(const ImageSplit& from, const std::vector<int32_t>& samples, const Stream* augment) const {
    Batch batch{image_batch(from, data_->shape, samples, input_, augment), {}};
    batch.labels = torch::empty({batch.x.size(0)}, torch::kInt64);
    for (size_t k = 0; k < samples.size(); ++k)
      batch.labels.data_ptr<int64_t>()[k] = from.labels[static_cast<size_t>(samples[k])];
    return batch;
  }

  // Returns the unit's images. Those of small sets, but for the training set, are kept, as they are the same work at every
  // evaluation.
  Batch eval_batch(const std::string& name, int unit) {
    const ImageSplit& from = split(name);
    const auto kept = eval_batches_.find({name, unit});
    if (kept != eval_batches_.end()) return kept->second;
    const int64_t first = unit * eval_batch_, last = std::min(first + eval_batch_, from.size());
    std::vector<int32_t> samples;
    for (int64_t i = first; i < last; ++i) samples.push_back(static_cast<int32_t>(i));
    const Batch batch = batch_of(from, samples, nullptr);
    if (name != "train" && from.size() * data_->shape.size() <= kept_floats) eval_batches_[{name, unit}] = batch;
    return batch;
  }

  BatchLoss loss_and_gradient(const Batch& batch, const Stream& masks) {
    const int64_t count = batch.labels.size(0);
    if (const auto loss = model_->direct_gradient(batch.x, batch.labels)) {
      const auto correct = model_->direct_correct();
      return {*loss, count, static_cast<double>(correct.value_or(0)), correct ? static_cast<double>(count) : 0};
    }
    gradient_buffer().zero_();
    const torch::Tensor logits = model_->forward(batch.x, &masks);
    const torch::Tensor loss = model_->loss(logits, batch.labels);
    loss.backward();
    return {loss.item<double>(), count, correct_in(logits, batch.labels), static_cast<double>(count)};
  }

  static double correct_in(const torch::Tensor& logits, const torch::Tensor& labels) {
    const torch::NoGradGuard no_grad;
    return (logits.argmax(1) == labels).sum().item<double>();
  }

  std::shared_ptr<const ImageData> data_;
  ClientBatches batches_;
  ImageInput input_;
  int64_t eval_batch_;
  std::shared_ptr<ImageModel> model_;
  bool local_statistics_ = false;  // running statistics stay on their client; the averaged ones serve evaluations only
  PerClient statistics_;
  struct {
    std::vector<int32_t> samples;
    BatchKey draw;
  } drawn_;                                                    // the last mini-batch
  std::map<std::pair<std::string, int>, Batch> eval_batches_;  // by split and unit
  std::optional<double> top5_;
  BatchOrder order_;
  // Last: its thread reads the members above.
  Prefetch<Batch> ahead_{
      [this](const std::vector<int32_t>& samples, const BatchKey& draw) { return training_batch(samples, draw); }};
};

}  // namespace

std::unique_ptr<Objective> make_classification_objective(const Recipe& recipe, int clients) {
  return std::make_unique<ClassificationObjective>(recipe, clients);
}

}  // namespace tacet
