// See classification_objective.h.
#include "train/classification_objective.h"

#include <torch/torch.h>

#include "data/client_batches.h"
#include "data/images.h"
#include "data/partition.h"
#include "data/safetensors.h"
#include "models/image_model.h"
#include "tacet/algorithm.h"
#include "tacet/catalog.h"
#include "tacet/error.h"
#include "tacet/flat_module.h"
#include "train/sampling.h"

namespace tacet {
namespace {

uint64_t seed_of(const Recipe& recipe) { return static_cast<uint64_t>(recipe.run.integer("seed")); }

// The clients' batches. Dealt anew in every round, the data goes to the clients of that round alone.
ClientBatches make_batches(const Recipe& recipe, std::shared_ptr<const ImageData> data, int clients) {
  const PartitionOptions options = partition_options(recipe.data);
  const int64_t batch_size = recipe.data.integer("batch_size");
  const ImageSplit& train = data->train;
  if (!recipe.data.flag("partition.every_round"))
    return {partition(options, train.labels, train.users, clients), batch_size};
  const int sampled =
      recipe.clients.has("participating") ? static_cast<int>(recipe.clients.integer("participating")) : clients;
  const bool fixed = recipe.clients.text("sampling") == "fixed";
  const auto deal = [=, seed = seed_of(recipe)](int64_t round) {
    const std::vector<int> present = sampled_clients(seed, round, clients, sampled, fixed);
    Shares dealt = partition(options, data->train.labels, data->train.users, sampled, round);
    Shares shares(static_cast<size_t>(clients));
    for (size_t k = 0; k < present.size(); ++k) shares[static_cast<size_t>(present[k])] = std::move(dealt[k]);
    return shares;
  };
  try {
    deal(0);  // whatever is wrong with the partition shows now
  } catch (const UserError& error) {
    throw UserError(std::string(error.what()) + "; with data.partition.every_round the clients are the " +
                    std::to_string(sampled) + " that take part in a round (clients.participating)");
  }
  return {deal, clients, train.size(), batch_size};
}

class ClassificationObjective : public Objective {
 public:
  ClassificationObjective(const Recipe& recipe, int clients)
      : data_(load_images(recipe.data)),
        batches_(make_batches(recipe, data_, clients)),
        input_{.padding = recipe.data.integer("crop_padding"),
               .flip = recipe.data.flag("flip"),
               .mean = data_->mean,
               .deviation = data_->deviation},
        eval_batch_(recipe.data.integer("eval_batch")),
        model_(make_image_model(recipe.model,
                                {data_->shape.channels, data_->shape.height, data_->shape.width, data_->shape.classes},
                                Stream(seed_of(recipe), Stream::everyone, Purpose::initial_weights, 0, 0))),
        flat_(*model_) {
    if (recipe.model.has("init")) load_parameters(recipe.model.text("init"), flat_.layers(), flat_.parameters());
    initial_ = flat_.parameters().clone();
    local_statistics_ = recipe.model.has("batch_norm") && recipe.model.text("batch_norm") == "local";
  }

  const std::vector<Layer>& layers() const override { return flat_.layers(); }
  Vec initial() override { return initial_.clone(); }
  Vec workspace() override { return flat_.parameters(); }
  Vec buffers() override { return flat_.buffers(); }
  std::vector<Layer> buffer_layers() const override { return flat_.buffer_layers(); }
  Vec gradient_buffer() override { return flat_.gradients(); }

  Sample gradient(const Draw& draw, const Vec& y) override {
    load(y);
    model_->train(true);
    if (local_statistics_ && statistics_.all().count(draw.client)) flat_.buffers().copy_(statistics_.all()[draw.client]);
    const std::vector<int32_t> samples = batches_.next(draw);
    const Stream augment = draw.stream(Purpose::augmentation), masks = draw.stream(Purpose::hidden_dropout);
    flat_.gradients().zero_();
    const torch::Tensor loss = loss_of(data_->train, samples, &augment, &masks).first;
    loss.backward();
    if (local_statistics_) statistics_.all()[draw.client] = flat_.buffers().clone();
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
    for (const auto& [client, p] : batches_.positions())
      positions_.all()[client] = torch::tensor({p.pass, p.offset}, torch::kInt64);
    visitor.clients("position", positions_);
    batches_.positions().clear();
    for (auto& [client, saved] : positions_.all())
      batches_.positions()[client] = {saved[0].item<int64_t>(), saved[1].item<int64_t>()};
    if (flat_.buffers().numel() > 0) {
      Vec buffers = flat_.buffers().clone();
      visitor.global("buffers", buffers);
      if (buffers.defined()) flat_.buffers().copy_(buffers);
    }
    if (local_statistics_) visitor.clients("statistics", statistics_);
  }

 private:
  const ImageSplit& split(const std::string& name) const { return name == "valid" ? data_->valid : data_->test; }

  void load(const Vec& y) {
    if (y.data_ptr() != flat_.parameters().data_ptr()) {
      const torch::NoGradGuard no_grad;
      flat_.parameters().copy_(y);
    }
  }

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
  FlatModule flat_;
  Vec initial_;
  bool local_statistics_ = false;  // running statistics stay on their client; the averaged ones serve evaluations only
  PerClient positions_, statistics_;
};

}  // namespace

std::unique_ptr<Objective> make_classification_objective(const Recipe& recipe, int clients) {
  return std::make_unique<ClassificationObjective>(recipe, clients);
}

}  // namespace tacet
