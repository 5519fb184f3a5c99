// A plain convolutional network for 32 × 32 images. Three 3 × 3 convolutions with ReLU, the first two followed by 2 × 2
// max-pooling; fc1, ReLU, fc2. On 32 × 32 images 64 · 4 · 4 = 1,024 values reach fc1. Parameters are called as the layers,
// each with .weight and .bias.
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>

#include "models/images/image_layers.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

struct CifarCnnOptions {
  int64_t first = 0, second = 0, third = 0, hidden = 0;
  void options(OptionList& o) {
    o.integer("first", first, 32, within(1, 1e5), "feature maps of the first convolution");
    o.integer("second", second, 64, within(1, 1e5), "feature maps of the second convolution");
    o.integer("third", third, 64, within(1, 1e5), "feature maps of the third convolution");
    o.integer("hidden", hidden, 64, within(1, 1e5), "width of the hidden layer");
  }
};

class CifarCnn : public ImageModel {
 public:
  CifarCnn(const CifarCnnOptions& o, const ImageShape& s, Weights weights) {
    need_side("cifar-cnn", s, 18);
    const int64_t height = ((s.height - 2) / 2 - 2) / 2 - 2, width = ((s.width - 2) / 2 - 2) / 2 - 2;
    conv1_ = register_module("conv1", std::make_shared<Conv>(Conv::Shape{s.channels, o.first, 3}, weights));
    conv2_ = register_module("conv2", std::make_shared<Conv>(Conv::Shape{o.first, o.second, 3}, weights));
    conv3_ = register_module("conv3", std::make_shared<Conv>(Conv::Shape{o.second, o.third, 3}, weights));
    fc1_ = register_module("fc1", std::make_shared<Linear>(o.third * height * width, o.hidden, weights));
    fc2_ = register_module("fc2", std::make_shared<Linear>(o.hidden, s.classes, weights));
  }
  at::Tensor forward(const at::Tensor& x, const Stream*) override {
    at::Tensor y = at::max_pool2d(conv1_->forward(channels_last(x), true), 2);
    y = at::max_pool2d(conv2_->forward(y, true), 2);
    y = conv3_->forward(y, true).flatten(1);
    return fc2_->forward(at::relu(fc1_->forward(y)));
  }

 private:
  std::shared_ptr<Conv> conv1_, conv2_, conv3_;
  std::shared_ptr<Linear> fc1_, fc2_;
};

}  // namespace

namespace built_in {

std::vector<ModelInfo> cifar_cnn() {
  return {{.name = "cifar-cnn",
           .paper = "Karimi, Li, Li, Fed-LAMB, experiments",
           .summary =
               "three 3 × 3 convolutions, two of them with max-pooling, two fully connected layers; 122,570 parameters "
               "on CIFAR-10",
           .task = "classification",
           .options = options_of<CifarCnnOptions>(),
           .image = [](const Values& model, const ImageShape& shape, const Stream& weights, Precision precision) {
             return std::make_shared<CifarCnn>(read_options<CifarCnnOptions>(model), shape, Weights(weights, precision));
           }}};
}

}  // namespace built_in
}  // namespace tacet
