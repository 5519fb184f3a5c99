// Recurrent layers beside libtorch's in double precision: outputs, last states and every gradient, over random shapes,
// lengths, cells and directions; and that results do not depend on what ran before.
#include "kernels/recurrent/recurrent.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>

#include "kernels/product/product.h"
#include "kernels/recurrent/lstm.h"
#include "kernels/recurrent/recurrent_layer.h"
#include "reference.h"

namespace tacet {
namespace {

using test::expect_close;
using test::tolerance;

struct Case {
  Cell cell;
  int64_t in, width;
  std::vector<int64_t> sizes;  // of the batch at each time step
  int64_t seed;
};

// What a layer was given and what came of it. Initial states: [D, B, H].
struct Layer {
  std::vector<at::Tensor> inputs;   // x, h, c, and w_ih, w_hh, b_ih, b_hh of each direction
  std::vector<at::Tensor> outputs;  // output, h [D, B, H], c
  std::vector<at::Tensor> gradients;
};

std::vector<at::Tensor> random_inputs(const Case& k) {
  torch::manual_seed(static_cast<uint64_t>(k.seed));
  int64_t rows = 0;
  for (const int64_t size : k.sizes) rows += size;
  const int64_t g = gates(k.cell) * k.width, batch = k.sizes.front();
  std::vector<at::Tensor> inputs = {torch::randn({rows, k.in}), torch::randn({2, batch, k.width}),
                                    torch::randn({2, batch, k.width})};
  const double range = 1 / std::sqrt(static_cast<double>(k.in + k.width));  // sums of size 1, or a tiny layer amplifies
  for (int direction = 0; direction < 2; ++direction)
    for (const at::Tensor& w : {torch::randn({g, k.in}), torch::randn({g, k.width}), torch::randn({g}), torch::randn({g})})
      inputs.push_back(range * w);
  return inputs;
}

// The gradient of Σ output · (fixed random weights), which reaches every output.
void differentiate(Layer& layer) {
  torch::manual_seed(99);
  at::Tensor loss = torch::zeros({}, layer.outputs[0].options());
  for (const at::Tensor& out : layer.outputs)
    if (out.defined()) loss = loss + (out * torch::randn(out.sizes()).to(out.scalar_type())).sum();
  for (const at::Tensor& gradient : torch::autograd::grad({loss}, layer.inputs, {}, {}, false, /*allow_unused=*/true))
    layer.gradients.push_back(gradient);
}

std::vector<at::Tensor> leaves(const std::vector<at::Tensor>& tensors, at::ScalarType type) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& t : tensors) out.push_back(t.to(type).clone().requires_grad_(true));
  return out;
}

Layer ours(const Case& k, const std::vector<at::Tensor>& values, Precision precision) {
  Layer layer{leaves(values, at::kFloat), {}, {}};
  const auto& v = layer.inputs;
  std::vector<DirectionOutput> out;
  for (size_t d = 0; d < 2; ++d)
    out.push_back(run_direction(k.cell, v[0], k.sizes, d == 1, v[1][static_cast<int64_t>(d)],
                                k.cell == Cell::lstm ? v[2][static_cast<int64_t>(d)] : at::Tensor(),
                                {v[3 + 4 * d], v[4 + 4 * d], v[5 + 4 * d], v[6 + 4 * d]}, precision));
  layer.outputs = {torch::cat({out[0].output, out[1].output}, 1), torch::stack({out[0].h, out[1].h}),
                   k.cell == Cell::lstm ? torch::stack({out[0].c, out[1].c}) : at::Tensor()};
  differentiate(layer);
  return layer;
}

Layer libtorchs(const Case& k, const std::vector<at::Tensor>& values) {
  Layer layer{leaves(values, at::kDouble), {}, {}};
  const auto& v = layer.inputs;
  const std::vector<at::Tensor> weights(v.begin() + 3, v.end());
  const at::Tensor sizes = torch::tensor(k.sizes, torch::kLong);
  at::Tensor output, h, c;
  if (k.cell == Cell::lstm)
    std::tie(output, h, c) = at::lstm(v[0], sizes, {v[1], v[2]}, weights, true, 1, 0.0, true, true);
  else if (k.cell == Cell::gru)
    std::tie(output, h) = at::gru(v[0], sizes, v[1], weights, true, 1, 0.0, true, true);
  else
    std::tie(output, h) = at::rnn_tanh(v[0], sizes, v[1], weights, true, 1, 0.0, true, true);
  layer.outputs = {output, h, c};
  differentiate(layer);
  return layer;
}

void expect_same(const Layer& a, const Layer& b, double relative) {
  for (size_t k = 0; k < a.outputs.size(); ++k)
    if (b.outputs[k].defined()) expect_close(a.outputs[k], b.outputs[k], relative, "output " + std::to_string(k));
  for (size_t k = 0; k < a.gradients.size(); ++k)
    if (b.gradients[k].defined()) expect_close(a.gradients[k], b.gradients[k], relative, "gradient " + std::to_string(k));
}

// Sizes of a few steps that do not grow.
rc::Gen<std::vector<int64_t>> any_sizes() {
  return rc::gen::map(
      rc::gen::nonEmpty(rc::gen::resize(12, rc::gen::container<std::vector<int64_t>>(rc::gen::inRange(1, 24)))),
      [](std::vector<int64_t> sizes) {
        std::sort(sizes.rbegin(), sizes.rend());
        return sizes;
      });
}

Case any_case() {
  return {*rc::gen::element(Cell::rnn, Cell::gru, Cell::lstm), *rc::gen::inRange<int64_t>(1, 70),
          *rc::gen::inRange<int64_t>(1, 90), *any_sizes(), *rc::gen::inRange<int64_t>(0, 1000)};
}

int64_t terms(const Case& k) {
  int64_t rows = 0;
  for (const int64_t size : k.sizes) rows += size;
  return k.in + k.width + rows;
}

RC_GTEST_PROP(RecurrentLayer, IsLibtorchsForAllShapesCellsAndDirections, ()) {
  const Case k = any_case();
  const auto values = random_inputs(k);
  expect_same(ours(k, values, Precision::f32), libtorchs(k, values), tolerance(terms(k)));
  RC_ASSERT(!testing::Test::HasFailure());
}

// Rounding a factor to 8 bits moves a product by 2⁻⁸ at most, and the layer's slopes are below 1 but for the weights'
// gradients.
RC_GTEST_PROP(RecurrentLayer, InBf16IsNear, ()) {
  if (!bf16_products()) return;
  const Case k = any_case();
  const auto values = random_inputs(k);
  expect_same(ours(k, values, Precision::bf16), libtorchs(k, values), 0.05);
  RC_ASSERT(!testing::Test::HasFailure());
}

TEST(RecurrentLayer, GivesTheSameBitsWhateverRanBefore) {
  const Case a{Cell::lstm, 40, 65, {7, 7, 3, 1}, 1}, b{Cell::gru, 12, 130, {20, 4}, 2};
  const auto values = random_inputs(a);
  const Layer once = ours(a, values, Precision::f32);
  ours(b, random_inputs(b), Precision::f32);
  const Layer again = ours(a, values, Precision::f32);
  for (size_t k = 0; k < once.outputs.size(); ++k) EXPECT_TRUE(torch::equal(once.outputs[k], again.outputs[k])) << k;
  for (size_t k = 0; k < once.gradients.size(); ++k) EXPECT_TRUE(torch::equal(once.gradients[k], again.gradients[k])) << k;
}

// The layers that models call, on both paths.
TEST(RecurrentLayer, CarriesStateInLanguageModels) {
  torch::manual_seed(5);
  const auto x = torch::randn({6, 3, 4}), h = torch::randn({3, 5}), c = torch::randn({3, 5});
  const RecurrentWeights l{torch::randn({20, 4}), torch::randn({20, 5}), torch::randn({20}), torch::randn({20})};
  const LstmOutput a = lstm_layer(x, h, c, l.w_ih, l.w_hh, l.b_ih, l.b_hh),
                   b = lstm_layer_libtorch(x, h, c, l.w_ih, l.w_hh, l.b_ih, l.b_hh);
  expect_close(a.output, b.output, tolerance(20), "output");
  expect_close(a.h, b.h, tolerance(20), "h");
  expect_close(a.c, b.c, tolerance(20), "c");
  const RecurrentWeights g{torch::randn({15, 4}), torch::randn({15, 5}), torch::randn({15}), torch::randn({15})};
  const GruOutput p = gru_layer(x, h, g), q = gru_layer_libtorch(x, h, g);
  expect_close(p.output, q.output, tolerance(20), "gru output");
  expect_close(p.h, q.h, tolerance(20), "gru h");
}

TEST(RecurrentLayer, DoublePrecisionTakesLibtorchsPath) {
  const auto d = torch::kDouble;
  EXPECT_FALSE(uses_native_kernels(torch::zeros({1}, d)));
  const RecurrentWeights w{torch::ones({4, 2}, d), torch::ones({4, 1}, d), torch::zeros({4}, d), torch::zeros({4}, d)};
  const Packed x{torch::ones({3, 2}, d), torch::tensor({2, 1}, torch::kLong)};
  EXPECT_EQ(recurrent_layer(Cell::lstm, x, w, &w).data.scalar_type(), d);
}

// 512 is above what any polynomial here computes: gates must saturate, not overflow.
TEST(RecurrentLayer, SaturatesWithoutOverflow) {
  for (const double size : {-512., 512.}) {
    const auto x = torch::full({1, 1, 1}, size), zero = torch::zeros({1, 1}), bias = torch::zeros({4});
    const LstmOutput out = lstm_layer(x, zero, zero, torch::ones({4, 1}), torch::zeros({4, 1}), bias, bias);
    EXPECT_NEAR(out.h.item<double>(), size > 0 ? std::tanh(1.) : 0, 1e-6);
  }
}

}  // namespace
}  // namespace tacet
