// A plain convolutional network for small images. Two times 5 × 5 convolution, 2 × 2 max-pooling and ReLU, with dropout of
// whole feature maps before the second pooling; fc1, ReLU, dropout, fc2. On 28 × 28 images the second pooling leaves 20 · 4
// · 4 = 320 values. Parameters are called as the layers, each with .weight and .bias.
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>

#include "models/images/image_layers.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

struct MnistCnnOptions {
  int64_t first = 0, second = 0, hidden = 0;
  double dropout = 0, hidden_dropout = 0;
  void options(OptionList& o) {
    const Range share{.min = 0, .max = 1, .max_open = true};
    o.integer("first", first, 10, within(1, 1e5), "feature maps of the first convolution");
    o.integer("second", second, 20, within(1, 1e5), "feature maps of the second convolution");
    o.integer("hidden", hidden, 50, within(1, 1e5), "width of the hidden layer");
    o.number("dropout", dropout, 0.5, share, "whole feature maps of the second convolution");
    o.number("hidden_dropout", hidden_dropout, 0, share, "on the hidden layer");
  }
};

class MnistCnn : public ImageModel {
 public:
  MnistCnn(const MnistCnnOptions& o, const ImageShape& s, Weights weights) : o_(o) {
    need_side("mnist-cnn", s, 16);
    const int64_t height = ((s.height - 4) / 2 - 4) / 2, width = ((s.width - 4) / 2 - 4) / 2;
    conv1_ = register_module("conv1", std::make_shared<Conv>(Conv::Shape{s.channels, o.first, 5}, weights));
    conv2_ = register_module("conv2", std::make_shared<Conv>(Conv::Shape{o.first, o.second, 5}, weights));
    fc1_ = register_module("fc1", std::make_shared<Linear>(o.second * height * width, o.hidden, weights));
    fc2_ = register_module("fc2", std::make_shared<Linear>(o.hidden, s.classes, weights));
  }
  at::Tensor forward(const at::Tensor& x, const Stream* masks) override {
    at::Tensor y = at::relu(at::max_pool2d(conv1_->forward(channels_last(x)), 2));
    y = dropout_maps(conv2_->forward(y), o_.dropout, masks, 0);
    y = at::relu(fc1_->forward(at::relu(at::max_pool2d(y, 2)).flatten(1)));
    return fc2_->forward(dropout(y, o_.hidden_dropout, masks, 1));
  }

 private:
  MnistCnnOptions o_;
  std::shared_ptr<Conv> conv1_, conv2_;
  std::shared_ptr<Linear> fc1_, fc2_;
};

}  // namespace

namespace built_in {

std::vector<ModelInfo> mnist_cnn() {
  return {{.name = "mnist-cnn",
           .paper = "Karimi, Li, Li, Fed-LAMB, experiments",
           .summary =
               "two 5 × 5 convolutions, each with max-pooling, dropout, two fully connected layers; 21,840 parameters "
               "on MNIST",
           .task = "classification",
           .options = options_of<MnistCnnOptions>(),
           .image = [](const Values& model, const ImageShape& shape, const Stream& weights, Precision precision) {
             return std::make_shared<MnistCnn>(read_options<MnistCnnOptions>(model), shape, Weights(weights, precision));
           }}};
}

}  // namespace built_in
}  // namespace tacet
