// The fused unit of residual networks against its naive twin: results, gradients and running statistics, and that images
// keep their order from one layer to the next.
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <functional>

#include "kernels/convolution/conv_norm.h"
#include "kernels/convolution/image_ops.h"
#include "kernels/product/product.h"
#include "support/copied_images.h"
#include "support/row_values.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"

namespace tacet::conv_norm_test {
namespace {

struct Case {
  int64_t in, out, side, kernel, stride, batch;
  bool relu, added, running;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {3, 16, 9, 3, 1, 4, true, false, true},   {16, 16, 8, 3, 1, 5, true, true, true},
      {16, 40, 8, 3, 2, 3, true, false, false}, {5, 7, 6, 1, 2, 4, false, false, true},
      {8, 20, 12, 7, 2, 4, true, true, true},   {2, 2, 33, 3, 1, 9, false, true, true},
      {4, 64, 16, 3, 1, 40, true, true, true},
  };
  return all;
}

torch::Tensor images(std::vector<int64_t> shape) {
  return torch::randn(shape).contiguous(torch::MemoryFormat::ChannelsLast).requires_grad_();
}

struct Given {
  torch::Tensor x, added;
  ConvNorm layer;
};

Given given(const Case& c) {
  torch::manual_seed(7);
  const int64_t padding = c.kernel / 2, side = (c.side + 2 * padding - c.kernel) / c.stride + 1;
  Given g;
  g.x = images({c.batch, c.in, c.side, c.side});
  if (c.added) g.added = images({c.batch, c.out, side, side});
  g.layer.shape = {c.stride, padding};
  g.layer.weight = torch::randn({c.out, c.in, c.kernel, c.kernel}).requires_grad_();
  g.layer.norm.weight = (torch::rand({c.out}) + 0.5).requires_grad_();
  g.layer.norm.bias = torch::randn({c.out}).requires_grad_();
  if (c.running) {
    g.layer.norm.running_mean = torch::randn({c.out});
    g.layer.norm.running_variance = torch::rand({c.out}) + 0.5;
  }
  g.layer.relu = c.relu;
  return g;
}

void expect_close(const torch::Tensor& a, const torch::Tensor& b, const char* what, size_t k) {
  ASSERT_EQ(a.defined(), b.defined()) << what << " of case " << k;
  if (!a.defined()) return;
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-4 * (1 + b.abs().max().item<double>())) << what << " of case " << k;
}

TEST(ConvNorm, AgreesWithItsTwin) {
  if (!fast_convolutions()) GTEST_SKIP() << "this build has no oneDNN";
  for (size_t k = 0; k < cases().size(); ++k) {
    Given fused = given(cases()[k]), naive = given(cases()[k]);
    const torch::Tensor a = conv_norm(fused.x, fused.layer, fused.added);
    const torch::Tensor b = conv_norm_naive(naive.x, naive.layer, naive.added);
    EXPECT_STREQ(a.grad_fn()->name().find("Fused") == std::string::npos ? "naive" : "fused", "fused");
    EXPECT_TRUE(a.is_contiguous(torch::MemoryFormat::ChannelsLast));
    expect_close(a, b, "result", k);
    const torch::Tensor direction = torch::randn_like(b);
    (a * direction).sum().backward();
    (b * direction).sum().backward();
    expect_close(fused.x.grad(), naive.x.grad(), "gradient of x", k);
    expect_close(fused.layer.weight.grad(), naive.layer.weight.grad(), "gradient of the weights", k);
    expect_close(fused.layer.norm.weight.grad(), naive.layer.norm.weight.grad(), "gradient of γ", k);
    expect_close(fused.layer.norm.bias.grad(), naive.layer.norm.bias.grad(), "gradient of β", k);
    if (fused.added.defined()) expect_close(fused.added.grad(), naive.added.grad(), "gradient of the addition", k);
    expect_close(fused.layer.norm.running_mean, naive.layer.norm.running_mean, "running mean", k);
    expect_close(fused.layer.norm.running_variance, naive.layer.norm.running_variance, "running variance", k);

    const torch::NoGradGuard no_grad;
    fused.layer.training = naive.layer.training = false;
    expect_close(conv_norm(fused.x, fused.layer, fused.added), conv_norm_naive(naive.x, naive.layer, naive.added),
                 "evaluation", k);
  }
}

// A mean far from zero: the variance must not drown in it. Values 1000 ± 1 have variance 1.
TEST(ConvNorm, MomentsOfValuesFarFromZero) {
  ConvNorm layer;
  layer.weight = torch::ones({1, 1, 1, 1});
  layer.norm = {torch::ones({1}), torch::zeros({1}), torch::zeros({1}), torch::zeros({1}), /*momentum=*/1.0};
  layer.relu = false;
  torch::Tensor x = torch::full({2, 1, 100, 100}, 1001.0f);
  x[0].fill_(999.0f);
  const torch::NoGradGuard no_grad;
  conv_norm(x.contiguous(torch::MemoryFormat::ChannelsLast), layer);
  EXPECT_NEAR(layer.norm.running_mean.item<float>(), 1000, 1e-3);
  EXPECT_NEAR(layer.norm.running_variance.item<float>(), 20000.0 / 19999.0, 1e-4);  // E x² − mean² in float32: ± 0.06
}

std::shared_ptr<ImageModel> network(const std::string& name, const ImageShape& sizes, Precision precision) {
  return make_image_model(test::row_values(find_model(name)), sizes,
                          Stream(1, Stream::everyone, Purpose::initial_weights, 0, 0), precision);
}

// A training step copies its input into the order of the layers, and nothing else but, where a network flattens its last
// maps, those and their gradient.
TEST(ImageModels, AStepCopiesItsInputAlone) {
  if (!fast_convolutions()) GTEST_SKIP() << "this build has no oneDNN";
  using Sizes = std::vector<int64_t>;
  struct {
    const char* name;
    ImageShape sizes;
    std::vector<Sizes> flattened;  // forth and, unless ReLU's gradient reads both orders, back
  } const table[] = {{"resnet-20", {3, 32, 32, 10}, {}},
                     {"resnet-9", {3, 32, 32, 10}, {}},
                     {"cifar-cnn", {3, 32, 32, 10}, {{2, 64, 4, 4}, {2, 64, 4, 4}}},
                     {"mnist-cnn", {3, 28, 28, 10}, {{2, 20, 4, 4}}}};
  for (const auto& row : table)
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      if (precision == Precision::bf16 && !bf16_products()) continue;
      const auto model = network(row.name, row.sizes, precision);
      const torch::Tensor x = torch::randn({2, row.sizes.channels, row.sizes.height, row.sizes.width});
      const Stream masks(1, Stream::everyone, Purpose::hidden_dropout, 0, 0);
      const auto step = [&](const torch::Tensor& images) {
        const torch::Tensor target = torch::tensor({1, 2}, torch::kLong);
        torch::cross_entropy_loss(model->forward(images, &masks), target).backward();
      };
      step(x);
      const torch::Tensor ordered = x.contiguous(torch::MemoryFormat::ChannelsLast);
      EXPECT_EQ(test::copied_images([&] { step(ordered); }), row.flattened) << row.name;
      std::vector<Sizes> all = {x.sizes().vec()};
      all.insert(all.end(), row.flattened.begin(), row.flattened.end());
      EXPECT_EQ(test::copied_images([&] { step(x); }), all) << row.name;
    }
}

// What stands between the convolutions, against libtorch's operations: results and gradients.
TEST(ImageOps, AgreeWithLibtorch) {
  torch::manual_seed(3);
  for (const int64_t side : {7, 8}) {
    const torch::Tensor a = images({2, 6, side, side}).detach().requires_grad_();
    const torch::Tensor b = a.detach().clone().requires_grad_();
    const torch::Tensor shrunk = b.slice(2, 0, side, 2).slice(3, 0, side, 2);
    const torch::Tensor y = subsample_and_pad(a, 2, 5), z = torch::constant_pad_nd(shrunk, {0, 0, 0, 0, 2, 3});
    EXPECT_TRUE(torch::equal(y, z));
    EXPECT_TRUE(y.is_contiguous(torch::MemoryFormat::ChannelsLast));
    const torch::Tensor direction = torch::randn_like(z), other = torch::randn({2, 6});
    ((y * direction).sum() + (mean_of_positions(a) * other).sum()).backward();
    ((z * direction).sum() + (b.mean({2, 3}) * other).sum()).backward();
    EXPECT_TRUE(torch::allclose(a.grad(), b.grad(), 1e-6, 1e-6));
  }
}

}  // namespace
}  // namespace tacet::conv_norm_test
