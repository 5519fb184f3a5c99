// A perceptron: fc1 [hidden, C·H·W], dropout, ReLU, fc2 [classes, hidden]; with more widths, more such layers. Dropout and
// ReLU may change places, and dropout follows the other activations.
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tanh.h>

#include "models/images/image_layers.h"
#include "tacet/error.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

struct PerceptronOptions {
  int64_t hidden = 0;
  std::optional<Numbers> widths;
  std::string activation;
  double dropout = 0;
  void options(OptionList& o) {
    o.integer("hidden", hidden, 200, within(1, 1e5), "width of the hidden layer").not_with = {{"widths"}};
    o.maybe_numbers("widths", widths, within(1, 1e5), "widths of several hidden layers, in place of hidden");
    o.text("activation", activation, "relu", {"relu", "tanh", "sigmoid"}, "of the hidden layers");
    o.number("dropout", dropout, 0.5, {.min = 0, .max = 1, .max_open = true}, "on the hidden layers");
  }
};

std::vector<int64_t> widths_of(const PerceptronOptions& o) {
  if (!o.widths) return {o.hidden};
  if (o.widths->empty()) throw UserError("model.widths must have at least one width, got an empty list");
  if (o.widths->size() > 255)  // a stream has no more masks of dropout
    throw UserError("model.widths must have at most 255 widths, got " + std::to_string(o.widths->size()));
  std::vector<int64_t> widths;
  for (const double w : *o.widths) {
    if (w != std::floor(w)) throw UserError("model.widths must be whole numbers, got " + to_toml(w));
    widths.push_back(static_cast<int64_t>(w));
  }
  return widths;
}

class Perceptron : public ImageModel {
 public:
  Perceptron(const PerceptronOptions& o, const ImageShape& s, Weights weights)
      : dropout_(o.dropout), activation_(o.activation) {
    int64_t in = s.size();
    std::vector<int64_t> outs = widths_of(o);
    outs.push_back(s.classes);
    for (const int64_t out : outs) {
      const std::string name = "fc" + std::to_string(layers_.size() + 1);
      layers_.push_back(register_module(name, std::make_shared<Linear>(in, out, weights)));
      in = out;
    }
  }
  at::Tensor forward(const at::Tensor& x, const Stream* masks) override {
    at::Tensor y = x.flatten(1);
    for (size_t k = 0; k + 1 < layers_.size(); ++k) y = hidden(layers_[k]->forward(y), masks, static_cast<int>(k));
    return layers_.back()->forward(y);
  }

 private:
  at::Tensor hidden(const at::Tensor& y, const Stream* masks, int layer) const {
    if (activation_ == "relu") return at::relu(dropout(y, dropout_, masks, layer));
    return dropout(activation_ == "tanh" ? at::tanh(y) : at::sigmoid(y), dropout_, masks, layer);
  }

  double dropout_;
  std::string activation_;
  std::vector<std::shared_ptr<Linear>> layers_;
};

}  // namespace

namespace built_in {

std::vector<ModelInfo> mlp() {
  return {{.name = "mlp",
           .paper = "Karimi, Li, Li, Fed-LAMB, experiments",
           .summary = "hidden layers with dropout, by default one; 159,010 parameters on MNIST",
           .task = "classification",
           .options = options_of<PerceptronOptions>(),
           .image = [](const Values& model, const ImageShape& shape, const Stream& weights, Precision precision) {
             return std::make_shared<Perceptron>(read_options<PerceptronOptions>(model), shape, Weights(weights, precision));
           }}};
}

}  // namespace built_in
}  // namespace tacet
