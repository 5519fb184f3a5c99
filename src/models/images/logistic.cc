// Softmax regression: one linear map of the pixels, fc [classes, C·H·W] with bias. Convex.
#include "kernels/product/softmax_regression.h"
#include "models/images/image_layers.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

class Logistic : public ImageModel {
 public:
  Logistic(const ImageShape& s, Weights weights)
      : fc_(register_module("fc", std::make_shared<Linear>(s.size(), s.classes, weights))) {}
  at::Tensor forward(const at::Tensor& x, const Stream*) override { return fc_->forward(x.flatten(1)); }

  std::optional<double> direct_gradient(const at::Tensor& x, const at::Tensor& labels) override {
    if (fc_->precision() != Precision::f32) return {};
    const at::Tensor &w = fc_->weight(), &b = fc_->bias();
    correct_ = 0;
    return softmax_regression({x.data_ptr<float>(), labels.data_ptr<int64_t>(), x.size(0), w.size(1)}, w.size(0),
                              w.data_ptr<float>(), b.data_ptr<float>(), w.grad().data_ptr<float>(),
                              b.grad().data_ptr<float>(), &correct_);
  }
  std::optional<int64_t> direct_correct() const override { return correct_; }

 private:
  std::shared_ptr<Linear> fc_;
  int64_t correct_ = 0;  // of the last mini-batch
};

}  // namespace

namespace built_in {

std::vector<ModelInfo> logistic() {
  return {{.name = "logistic",
           .paper = "softmax regression",
           .summary = "one linear layer with bias; convex",
           .task = "classification",
           .image = [](const Values&, const ImageShape& shape, const Stream& weights, Precision precision) {
             return std::make_shared<Logistic>(shape, Weights(weights, precision));
           }}};
}

}  // namespace built_in
}  // namespace tacet
