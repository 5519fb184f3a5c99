// A perceptron with one hidden layer: fc1 [hidden, C·H·W], dropout, ReLU, fc2 [classes, hidden].
#include <ATen/ops/relu.h>

#include "models/images/image_layers.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

struct PerceptronOptions {
  int64_t hidden = 0;
  double dropout = 0;
  void options(OptionList& o) {
    o.integer("hidden", hidden, 200, within(1, 1e5), "width of the hidden layer");
    o.number("dropout", dropout, 0.5, {.min = 0, .max = 1, .max_open = true}, "on the hidden layer");
  }
};

class Perceptron : public ImageModel {
 public:
  Perceptron(const PerceptronOptions& o, const ImageShape& s, Weights weights) : dropout_(o.dropout) {
    fc1_ = register_module("fc1", std::make_shared<Linear>(s.size(), o.hidden, weights));
    fc2_ = register_module("fc2", std::make_shared<Linear>(o.hidden, s.classes, weights));
  }
  at::Tensor forward(const at::Tensor& x, const Stream* masks) override {
    return fc2_->forward(at::relu(dropout(fc1_->forward(x.flatten(1)), dropout_, masks, 0)));
  }

 private:
  double dropout_;
  std::shared_ptr<Linear> fc1_, fc2_;
};

}  // namespace

namespace built_in {

std::vector<ModelInfo> mlp() {
  return {{.name = "mlp",
           .paper = "Karimi, Li, Li, Fed-LAMB, experiments",
           .summary = "one hidden layer with dropout and ReLU; 159,010 parameters on MNIST",
           .task = "classification",
           .options = options_of<PerceptronOptions>(),
           .image = [](const Values& model, const ImageShape& shape, const Stream& weights, Precision precision) {
             return std::make_shared<Perceptron>(read_options<PerceptronOptions>(model), shape, Weights(weights, precision));
           }}};
}

}  // namespace built_in
}  // namespace tacet
