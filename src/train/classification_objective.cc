// See classification_objective.h.
#include "train/classification_objective.h"

#include <torch/torch.h>

#include "data/client_batches.h"
#include "data/images.h"
#include "models/image_model.h"
#include "tacet/algorithm.h"
#include "tacet/catalog.h"
#include "tacet/error.h"
#include "train/client_shares.h"
#include "train/network_objective.h"

namespace tacet {
namespace {

uint64_t seed_of(const Recipe& recipe) { return static_cast<uint64_t>(recipe.run.integer("seed")); }

class ClassificationObjective : public NetworkObjective {
 public:
  ClassificationObjective(const Recipe& recipe, int clients)
      : data_(load_images(recipe.data)),
        batches_(make_client_batches(recipe, data_->train.labels, data_->train.users, clients)),
        input_{.padding = recipe.data.integer("crop_padding"),
               .flip = recipe.data.flag("flip"),
               .mean = data_->mean,
               .deviation = data_->deviation},
        eval_batch_(recipe.data.integer("eval_batch")),
        model_(make_image_model(recipe.model,
                                {data_->shape.channels, data_->shape.height, data_->shape.width, data_->shape.classes},
                                Stream(seed_of(recipe), Stream::everyone, Purpose::initial_weights, 0, 0))) {
    adopt(*model_, recipe.model);
    local_statistics_ = recipe.model.has("batch_norm") && recipe.model.text("batch_norm") == "local";
  }

  Sample gradient(const Draw& draw, const Vec& y) override {
    load(y);
    model_->train(true);
    if (local_statistics_ && statistics_.all().count(draw.client)) buffers().copy_(statistics_.all()[draw.client]);
    const std::vector<int32_t> samples = batches_.next(draw);
    const Stream augment = draw.stream(Purpose::augmentation), masks = draw.stream(Purpose::hidden_dropout);
    gradient_buffer().zero_();
    const torch::Tensor loss = loss_of(data_->train, samples, &augment, &masks).first;
    loss.backward();
    if (local_statistics_) statistics_.all()[draw.client] = buffers().clone();
    return {loss.item<double>(), static_cast<int64_t>(samples.size())};
  }

  int64_t training_samples() const override { return batches_.samples(); }
  double client_weight(int client) const override { return batches_.client_weight(client); }

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
    const int64_t first = unit * eval_batch_, last = std::min(first + eval_batch_, split(name).size());
    std::vector<int32_t> samples;
    for (int64_t i = first; i < last; ++i) samples.push_back(static_cast<int32_t>(i));
    const auto [loss, correct] = loss_of(split(name), samples, nullptr, nullptr);
    const auto count = static_cast<double>(samples.size());
    return {loss.item<double>() * count, correct.sum().item<double>(), count};
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
  const ImageSplit& split(const std::string& name) const { return name == "valid" ? data_->valid : data_->test; }

  // Mean cross-entropy, and whether the largest logit is the label's.
  std::pair<torch::Tensor, torch::Tensor> loss_of(const ImageSplit& from, const std::vector<int32_t>& samples,
                                                  const Stream* augment, const Stream* masks) {
    const torch::Tensor x = image_batch(from, data_->shape, samples, input_, augment);
    torch::Tensor target = torch::empty({x.size(0)}, torch::kInt64);
    for (size_t k = 0; k < samples.size(); ++k) target.data_ptr<int64_t>()[k] = from.labels[static_cast<size_t>(samples[k])];
    const torch::Tensor logits = model_->forward(x, masks);
    return {torch::cross_entropy_loss(logits, target), logits.argmax(1) == target};
  }

  std::shared_ptr<const ImageData> data_;
  ClientBatches batches_;
  ImageInput input_;
  int64_t eval_batch_;
  std::shared_ptr<ImageModel> model_;
  bool local_statistics_ = false;  // running statistics stay on their client; the averaged ones serve evaluations only
  PerClient statistics_;
};

}  // namespace

std::unique_ptr<Objective> make_classification_objective(const Recipe& recipe, int clients) {
  return std::make_unique<ClassificationObjective>(recipe, clients);
}

}  // namespace tacet
