// The small classifiers of the papers: logistic regression, a perceptron with one hidden layer, and two plain convolutional
// networks. Names of the parameters are those of the layers below, each with .weight and .bias.
#include <torch/nn/module.h>
#include <torch/types.h>

#include "kernels/product/softmax_regression.h"
#include "models/images/image_layers.h"
#include "models/images/image_model.h"
#include "tacet/error.h"

namespace tacet {
namespace {

[[noreturn]] void too_small(const std::string& model, const ImageSizes& s, int64_t least) {
  throw UserError("model.name: " + model + " needs images of at least " + std::to_string(least) + " × " +
                  std::to_string(least) + ", got " + std::to_string(s.height) + " × " + std::to_string(s.width));
}

// Softmax regression: fc [classes, C·H·W].
class Logistic : public ImageModel {
 public:
  Logistic(const ImageSizes& s, Weights weights)
      : fc_(register_module("fc", std::make_shared<Linear>(s.channels * s.height * s.width, s.classes, weights))) {}
  torch::Tensor forward(const torch::Tensor& x, const Stream*) override { return fc_->forward(x.flatten(1)); }

  std::optional<double> direct_gradient(const torch::Tensor& x, const torch::Tensor& labels) override {
    if (fc_->precision() != Precision::f32) return {};
    const torch::Tensor &w = fc_->weight(), &b = fc_->bias();
    return softmax_regression({x.data_ptr<float>(), labels.data_ptr<int64_t>(), x.size(0), w.size(1)}, w.size(0),
                              w.data_ptr<float>(), b.data_ptr<float>(), w.grad().data_ptr<float>(),
                              b.grad().data_ptr<float>());
  }

 private:
  std::shared_ptr<Linear> fc_;
};

// fc1 [hidden, C·H·W], dropout, ReLU, fc2 [classes, hidden].
class Perceptron : public ImageModel {
 public:
  Perceptron(const Values& m, const ImageSizes& s, Weights weights) : dropout_(m.number("dropout")) {
    const int64_t hidden = m.integer("hidden");
    fc1_ = register_module("fc1", std::make_shared<Linear>(s.channels * s.height * s.width, hidden, weights));
    fc2_ = register_module("fc2", std::make_shared<Linear>(hidden, s.classes, weights));
  }
  torch::Tensor forward(const torch::Tensor& x, const Stream* masks) override {
    return fc2_->forward(torch::relu(dropout(fc1_->forward(x.flatten(1)), dropout_, masks, 0)));
  }

 private:
  double dropout_;
  std::shared_ptr<Linear> fc1_, fc2_;
};

// Two times 5 × 5 convolution, 2 × 2 max-pooling and ReLU; dropout of whole feature maps before the second pooling; fc1,
// ReLU, dropout, fc2. On 28 × 28 images the second pooling leaves 20 · 4 · 4 = 320 values.
class MnistCnn : public ImageModel {
 public:
  MnistCnn(const Values& m, const ImageSizes& s, Weights weights)
      : dropout_(m.number("dropout")), hidden_dropout_(m.number("hidden_dropout")) {
    const int64_t first = m.integer("first"), second = m.integer("second"), hidden = m.integer("hidden");
    const int64_t height = ((s.height - 4) / 2 - 4) / 2, width = ((s.width - 4) / 2 - 4) / 2;
    if (std::min(s.height, s.width) < 16) too_small(m.text("name"), s, 16);
    conv1_ = register_module("conv1", std::make_shared<Conv>(Conv::Shape{s.channels, first, 5}, weights));
    conv2_ = register_module("conv2", std::make_shared<Conv>(Conv::Shape{first, second, 5}, weights));
    fc1_ = register_module("fc1", std::make_shared<Linear>(second * height * width, hidden, weights));
    fc2_ = register_module("fc2", std::make_shared<Linear>(hidden, s.classes, weights));
  }
  torch::Tensor forward(const torch::Tensor& x, const Stream* masks) override {
    torch::Tensor y = torch::relu(torch::max_pool2d(conv1_->forward(channels_last(x)), 2));
    y = dropout_maps(conv2_->forward(y), dropout_, masks, 0);
    y = torch::relu(fc1_->forward(torch::relu(torch::max_pool2d(y, 2)).flatten(1)));
    return fc2_->forward(dropout(y, hidden_dropout_, masks, 1));
  }

 private:
  double dropout_, hidden_dropout_;
  std::shared_ptr<Conv> conv1_, conv2_;
  std::shared_ptr<Linear> fc1_, fc2_;
};

// Three 3 × 3 convolutions with ReLU, the first two followed by 2 × 2 max-pooling; fc1, ReLU, fc2. On 32 × 32 images 64 · 4
// · 4 = 1,024 values reach fc1.
class CifarCnn : public ImageModel {
 public:
  CifarCnn(const Values& m, const ImageSizes& s, Weights weights) {
    const int64_t first = m.integer("first"), second = m.integer("second"), third = m.integer("third"),
                  hidden = m.integer("hidden");
    const int64_t height = ((s.height - 2) / 2 - 2) / 2 - 2, width = ((s.width - 2) / 2 - 2) / 2 - 2;
    if (std::min(s.height, s.width) < 18) too_small(m.text("name"), s, 18);
    conv1_ = register_module("conv1", std::make_shared<Conv>(Conv::Shape{s.channels, first, 3}, weights));
    conv2_ = register_module("conv2", std::make_shared<Conv>(Conv::Shape{first, second, 3}, weights));
    conv3_ = register_module("conv3", std::make_shared<Conv>(Conv::Shape{second, third, 3}, weights));
    fc1_ = register_module("fc1", std::make_shared<Linear>(third * height * width, hidden, weights));
    fc2_ = register_module("fc2", std::make_shared<Linear>(hidden, s.classes, weights));
  }
  torch::Tensor forward(const torch::Tensor& x, const Stream*) override {
    torch::Tensor y = torch::max_pool2d(conv1_->forward(channels_last(x), true), 2);
    y = torch::max_pool2d(conv2_->forward(y, true), 2);
    y = conv3_->forward(y, true).flatten(1);
    return fc2_->forward(torch::relu(fc1_->forward(y)));
  }

 private:
  std::shared_ptr<Conv> conv1_, conv2_, conv3_;
  std::shared_ptr<Linear> fc1_, fc2_;
};

}  // namespace

std::shared_ptr<ImageModel> make_small_net(const Values& m, const ImageSizes& s, Weights weights) {
  const std::string& name = m.text("name");
  if (name == "logistic") return std::make_shared<Logistic>(s, weights);
  if (name == "mlp") return std::make_shared<Perceptron>(m, s, weights);
  if (name == "mnist-cnn") return std::make_shared<MnistCnn>(m, s, weights);
  if (name == "cifar-cnn") return std::make_shared<CifarCnn>(m, s, weights);
  return nullptr;
}

}  // namespace tacet
