// Convolutions and the two layers built on them, for random shapes: the naive twins beside finite differences in double
// precision, the fused layers beside the twins, bf16 beside rounded factors and beside f32.
#include "kernels/convolution/convolution.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <functional>
#include <thread>

#include "kernels/convolution/conv_bias.h"
#include "kernels/convolution/conv_norm.h"
#include "kernels/product/product.h"
#include "reference.h"
#include "support/error_of.h"

namespace tacet::conv_layers_test {
namespace {

using test::expect_close;
using test::tolerance;
using torch::Tensor;

constexpr auto kLast = torch::MemoryFormat::ChannelsLast;

struct Shape {
  int64_t in, out, height, width, kernel, stride, batch;
  bool relu, added;

  int64_t padding() const { return kernel / 2; }
  int64_t out_side(int64_t side) const { return (side + 2 * padding() - kernel) / stride + 1; }
  std::vector<int64_t> image() const { return {batch, in, height, width}; }
  std::vector<int64_t> result() const { return {batch, out, out_side(height), out_side(width)}; }
  std::vector<int64_t> weight() const { return {out, in, kernel, kernel}; }
  int64_t positions() const { return batch * out_side(height) * out_side(width); }
  // The most numbers that are added up for one of the result, of x's gradient, of the weights' or of a channel's sums; one
  // after the other, and a few operations on each.
  int64_t terms() const { return (in + out) * kernel * kernel + 2 * positions() + 8; }
};

Shape any_shape() {
  const auto between = [](int64_t least, int64_t most) {  // the whole range from the first case on
    return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<int64_t>(least, most + 1));
  };
  const auto either = [] { return *rc::gen::arbitrary<bool>(); };
  const Shape s{between(1, 70), between(1, 70), between(4, 20), between(4, 20), 2 * between(0, 2) + 1,
                between(1, 2),  between(1, 5),  either(),       either()};
  torch::manual_seed(*rc::gen::inRange<uint64_t>(0, 1000));
  return s;
}

// Weights of such a size that results are about 1.
Tensor any_weight(const Shape& s) {
  return torch::randn(s.weight()) / std::sqrt(static_cast<double>(s.in * s.kernel * s.kernel));
}

// The tensors that a layer is a function of: x, weight, γ, β and what is added; or x, weight and bias.
using Leaves = std::vector<Tensor>;
using Layer = std::function<Tensor(const Leaves&)>;

Leaves norm_leaves(const Shape& s) {
  Leaves all = {torch::randn(s.image()), any_weight(s), torch::rand({s.out}) + 0.5, torch::randn({s.out})};
  if (s.added) all.push_back(torch::randn(s.result()));
  return all;
}

Leaves bias_leaves(const Shape& s) { return {torch::randn(s.image()), any_weight(s), torch::randn({s.out})}; }

ConvNorm norm_layer(const Shape& s, const Leaves& l, Precision precision = Precision::f32) {
  return {.shape = {s.stride, s.padding(), precision},
          .weight = l[1],
          .norm = {l[2], l[3], {}, {}},
          .training = true,
          .relu = s.relu};
}

ConvBias bias_layer(const Shape& s, const Leaves& l, Precision precision = Precision::f32) {
  return {{s.stride, s.padding(), precision}, l[1], l[2], s.relu};
}

Layer norm_naive(const Shape& s) {
  return [s](const Leaves& l) { return conv_norm_naive(l[0], norm_layer(s, l), s.added ? l[4] : Tensor()); };
}
Layer norm_fused(const Shape& s, Precision precision = Precision::f32) {
  return [s, precision](const Leaves& l) {
    const Tensor y = conv_norm(l[0], norm_layer(s, l, precision), s.added ? l[4] : Tensor());
    EXPECT_NE(y.grad_fn()->name().find("Fused"), std::string::npos);
    return y;
  };
}
Layer bias_naive(const Shape& s) {
  return [s](const Leaves& l) { return conv_bias_naive(l[0], bias_layer(s, l)); };
}
Layer bias_fused(const Shape& s, Precision precision = Precision::f32) {
  return [s, precision](const Leaves& l) {
    const Tensor y = conv_bias(l[0], bias_layer(s, l, precision));
    EXPECT_NE(y.grad_fn()->name().find("Fused"), std::string::npos);
    return y;
  };
}

// Copies that gradients are asked for, images channels-last.
Leaves leaves_of(const Leaves& given, at::ScalarType type) {
  Leaves all;
  for (size_t k = 0; k < given.size(); ++k) {
    const Tensor t = given[k].to(type);
    all.push_back((k == 0 || k == 4 ? t.clone(kLast) : t.clone()).requires_grad_(true));
  }
  return all;
}

// The gradients of Σ result · direction, and behind them the result.
std::vector<Tensor> all_of(const Layer& layer, const Leaves& given, const Tensor& direction, at::ScalarType type) {
  const Leaves leaves = leaves_of(given, type);
  const Tensor y = layer(leaves);
  std::vector<Tensor> all = torch::autograd::grad({(y * direction.to(type)).sum()}, leaves);
  all.push_back(y.detach());
  return all;
}

// A direction without the elements that lie so near to ReLU's edge that rounding could put them on its other side.
Tensor direction_for(const Tensor& result, const Tensor& before_relu, double margin) {
  return torch::randn(result.sizes()) * (before_relu.abs() > margin);
}

const std::vector<Shape>& few_shapes() {
  static const std::vector<Shape> all = {{3, 4, 6, 5, 3, 1, 2, true, true},  {2, 5, 7, 7, 5, 2, 3, true, false},
                                         {5, 3, 4, 6, 1, 2, 2, false, true}, {1, 1, 4, 4, 3, 1, 1, false, false},
                                         {4, 6, 5, 4, 1, 1, 3, true, true},  {3, 2, 8, 8, 5, 1, 1, true, false}};
  return all;
}

// The derivative along a random direction v of one leaf at a time. Central differences are off by h²/6 of the third
// derivative and by 2⁻⁵³|f| / h: 10⁻⁹ of sums of about a hundred numbers for h = 10⁻⁶. Elements within 10⁻⁴ of ReLU's edge
// are left out, so that no step of h crosses it.
void expect_finite_differences(const Layer& layer, const Layer& without_relu, const Leaves& given, size_t at) {
  const double h = 1e-6;
  Leaves doubles;
  for (const Tensor& t : given) doubles.push_back(t.to(at::kDouble));
  const Tensor before = without_relu(doubles).detach(), direction = direction_for(before, before, 1e-4).to(at::kDouble);
  const std::vector<Tensor> gradients = all_of(layer, doubles, direction, at::kDouble);
  for (size_t k = 0; k < doubles.size(); ++k) {
    const Tensor v = torch::randn(doubles[k].sizes(), at::kDouble);
    const auto moved = [&](double by) {
      Leaves there = doubles;
      there[k] = doubles[k] + by * v;
      return (layer(there) * direction).sum().item<double>();
    };
    const double numeric = (moved(h) - moved(-h)) / (2 * h), analytic = (gradients[k] * v).sum().item<double>();
    EXPECT_NEAR(numeric, analytic, 1e-6 * (1 + std::abs(analytic))) << "leaf " << k << " of shape " << at;
    EXPECT_NE(analytic, 0) << "leaf " << k << " of shape " << at;
  }
}

TEST(ConvTwins, GradientsAreFiniteDifferencesInDouble) {
  for (size_t k = 0; k < few_shapes().size(); ++k) {
    torch::manual_seed(static_cast<uint64_t>(k));
    const Shape s = few_shapes()[k];
    Shape flat = s;
    flat.relu = false;
    expect_finite_differences(norm_naive(s), norm_naive(flat), norm_leaves(s), k);
    expect_finite_differences(bias_naive(s), bias_naive(flat), bias_leaves(s), k);
  }
}

void expect_fused_like_naive(const Layer& fused, const Layer& naive, const Tensor& before, const Leaves& given,
                             double relative) {
  // Results are of size 1 + |before|, and wrong by less than `relative` of the greatest.
  const Tensor direction = direction_for(before, before, relative * (1 + before.abs().max().item<double>()));
  const std::vector<Tensor> a = all_of(fused, given, direction, at::kFloat),
                            b = all_of(naive, given, direction, at::kDouble);
  EXPECT_TRUE(a.back().is_contiguous(kLast));
  for (size_t k = 0; k < a.size(); ++k) expect_close(a[k], b[k], relative, "gradient " + std::to_string(k));
}

Leaves in_double(const Leaves& given) {
  Leaves all;
  for (const Tensor& t : given) all.push_back(t.to(at::kDouble));
  return all;
}

// Tolerance: that of sums. Normalised values (y − mean) / σ are as much less exact as the greatest |y| of a channel is
// larger than its σ, and a gradient multiplies two of them.
RC_GTEST_PROP(ConvNorm, IsItsTwinForAllShapes, ()) {
  if (!fast_convolutions()) return;
  const Shape s = any_shape();
  const Leaves given = norm_leaves(s), doubles = in_double(given);
  const Tensor y = torch::conv2d(doubles[0], doubles[1], {}, s.stride, s.padding());
  const Tensor sizes = y.abs().amax({0, 2, 3}) / (y.var({0, 2, 3}, /*unbiased=*/false) + 1e-5).sqrt();
  const double condition = std::max(1.0, sizes.max().item<double>());
  Shape flat = s;
  flat.relu = false;
  expect_fused_like_naive(norm_fused(s), norm_naive(s), norm_naive(flat)(doubles), given,
                          tolerance(s.terms()) * condition * condition);
  RC_ASSERT(!testing::Test::HasFailure());
}

RC_GTEST_PROP(ConvBias, IsItsTwinForAllShapes, ()) {
  if (!fast_convolutions()) return;
  const Shape s = any_shape();
  const Leaves given = bias_leaves(s);
  Shape flat = s;
  flat.relu = false;
  expect_fused_like_naive(bias_fused(s), bias_naive(s), bias_naive(flat)(in_double(given)), given, tolerance(s.terms()));
  RC_ASSERT(!testing::Test::HasFailure());
}

// The three of a convolution with the given factors: the result, x's gradient and the weights'.
std::vector<Tensor> convolved(const Shape& s, const Tensor& x, const Tensor& w, const Tensor& dy, Precision precision) {
  const Convolution c{s.stride, s.padding(), precision};
  const Tensor y = torch::empty_like(dy), dx = torch::empty_like(x), dw = torch::empty_like(w);
  c.forward(x, w, y);
  c.backward_input(dy, w, dx);
  c.backward_weights(x, dy, dw);
  return {y, dx, dw};
}

// The same by libtorch, in double.
std::vector<Tensor> witness(const Shape& s, const Tensor& x, const Tensor& w, const Tensor& dy) {
  const Leaves leaves = {x.to(at::kDouble).requires_grad_(true), w.to(at::kDouble).requires_grad_(true)};
  const Tensor y = torch::conv2d(leaves[0], leaves[1], {}, s.stride, s.padding());
  const auto gradients = torch::autograd::grad({y}, leaves, {dy.to(at::kDouble)});
  return {y.detach(), gradients[0], gradients[1]};
}

// oneDNN got the weights' gradient wrong here now and then, with more than one thread and without AVX-512.
TEST(Convolution, FewMapsUnderAStrideHaveTheRightGradientOnSeveralThreads) {
  if (!fast_convolutions()) GTEST_SKIP() << "convolutions were refused";
  const int threads = at::get_num_threads();
  for (const int count : {2, 4})
    for (int64_t in = 1; in <= 9; ++in)
      for (const int64_t out : {18, 65}) {
        at::set_num_threads(count);
        const Shape s{in, out, 18, 14, 1, 2, 4, false, false};
        torch::manual_seed(static_cast<uint64_t>(in));
        const Tensor x = torch::randn(s.image()).contiguous(kLast), w = any_weight(s),
                     dy = torch::randn(s.result()).contiguous(kLast);
        const auto exact = witness(s, x, w, dy);
        for (int again = 0; again < 4; ++again) {
          const auto ours = convolved(s, x, w, dy, Precision::f32);
          for (size_t k = 0; k < ours.size(); ++k)
            expect_close(ours[k], exact[k], tolerance(s.terms()), std::to_string(in) + " maps, " + std::to_string(k));
        }
      }
  at::set_num_threads(threads);
}

// oneDNN lays down with a primitive how threads share its sums: one that was made for one thread must not serve two.
TEST(Convolution, HasTheBitsOfItsThreadsWhateverRanBefore) {
  if (!fast_convolutions()) GTEST_SKIP() << "convolutions were refused";
  const int threads = at::get_num_threads();
  const Shape s{3, 32, 16, 16, 3, 1, 8, false, false};
  const Tensor x = torch::randn(s.image()).contiguous(kLast), w = any_weight(s),
               dy = torch::randn(s.result()).contiguous(kLast);
  const auto with = [&](int count) {
    at::set_num_threads(count);
    return convolved(s, x, w, dy, Precision::f32);
  };
  (void)with(1);
  const auto after = with(2);
  std::vector<Tensor> fresh;
  std::thread([&] { fresh = with(2); }).join();  // kernels are kept for each thread of the program
  for (size_t k = 0; k < after.size(); ++k) EXPECT_TRUE(after[k].equal(fresh[k])) << k;
  at::set_num_threads(threads);
}

TEST(ConvNorm, OneValueOfAChannelIsTheUsersMistake) {
  const Shape s{8, 8, 1, 1, 1, 1, 1, false, false};
  const Leaves given = norm_leaves(s);
  ConvNorm without = norm_layer(s, given), with = without;
  with.norm.running_mean = torch::zeros({s.out}), with.norm.running_variance = torch::ones({s.out});
  const torch::NoGradGuard no_grad;
  for (const auto function : {conv_norm, conv_norm_naive})
    for (const ConvNorm& layer : {without, with})  // without running statistics all gradients below it were zero
      EXPECT_NE(test::error_of([&] { function(given[0].contiguous(kLast), layer, {}); }).find("more than one value"),
                std::string::npos);
}

// A factor's nearest number of 8 significant bits is off by 2⁻⁸ of it at most, a product of two by 2⁻⁷ + 2⁻¹⁶: so a sum of
// products a·b is off by (2⁻⁷ + 2⁻¹⁶)·Σ|a||b|, and by single precision's rounding of the sum, relative to Σ|a||b| too.
RC_GTEST_PROP(Convolution, RoundsItsFactorsInBf16, ()) {
  if (!fast_convolutions() || !bf16_products()) return;
  const Shape s = any_shape();
  const Tensor x = torch::randn(s.image()).contiguous(kLast), w = any_weight(s),
               dy = torch::randn(s.result()).contiguous(kLast);
  const Precision taken = Convolution{s.stride, s.padding(), Precision::bf16}.taken(x, w, dy);
  EXPECT_EQ(taken, s.kernel == 1 && s.out % 2 == 1 ? Precision::f32 : Precision::bf16);
  const auto rounded = [&](const Tensor& t) { return taken == Precision::bf16 ? t.to(at::kBFloat16) : t; };
  const auto ours = convolved(s, x, w, dy, Precision::bf16), f32 = convolved(s, x, w, dy, Precision::f32);
  const auto exact = witness(s, rounded(x), rounded(w), rounded(dy)), sizes = witness(s, x.abs(), w.abs(), dy.abs());
  const double error = std::ldexp(1.0, -7) + std::ldexp(1.0, -16) + tolerance(s.terms());
  for (size_t k = 0; k < ours.size(); ++k) {
    expect_close(ours[k], exact[k], tolerance(s.terms()), "rounded factors " + std::to_string(k));
    const Tensor apart = (ours[k].to(at::kDouble) - f32[k].to(at::kDouble)).abs();
    EXPECT_TRUE((apart <= error * sizes[k] + 1e-30).all().item<bool>()) << k;
  }
  RC_ASSERT(!testing::Test::HasFailure());
}

// The layers hand their precision to all three: those of conv_bias without ReLU are the convolution's own bits; conv_norm's
// differ from f32's, by less than ten times the rounding of one factor.
TEST(Convolution, LayersHandOnTheirPrecision) {
  if (!fast_convolutions() || !bf16_products()) GTEST_SKIP() << "no bf16 convolutions in this build or on this processor";
  const Shape s{16, 24, 9, 9, 3, 2, 3, false, false};
  torch::manual_seed(5);
  const Leaves given = bias_leaves(s);
  const Tensor direction = torch::randn(s.result());
  const auto bias = all_of(bias_fused(s, Precision::bf16), given, direction, at::kFloat);
  const auto alone = convolved(s, given[0].contiguous(kLast), given[1], direction.contiguous(kLast), Precision::bf16);
  EXPECT_TRUE(torch::equal(bias[0], alone[1]));
  EXPECT_TRUE(torch::equal(bias[1], alone[2]));
  EXPECT_TRUE(torch::allclose(bias[3], alone[0] + given[2].view({1, -1, 1, 1}), 0, 1e-6));
  const auto all = [&](Precision p) { return all_of(norm_fused(s, p), norm_leaves(s), direction, at::kFloat); };
  torch::manual_seed(6);
  const auto rounded = all(Precision::bf16);
  torch::manual_seed(6);
  const auto f32 = all(Precision::f32);
  for (const size_t k : {size_t{0}, size_t{1}, f32.size() - 1}) {
    EXPECT_FALSE(torch::equal(rounded[k], f32[k])) << k;
    expect_close(rounded[k], f32[k], 10 * std::ldexp(1.0, -8), std::to_string(k));
  }
}

// The shapes of image networks that libraries tend to leave out.
TEST(Convolution, Bf16TakesTheShapesOfImageNetworks) {
  if (!fast_convolutions() || !bf16_products()) GTEST_SKIP() << "no bf16 convolutions in this build or on this processor";
  const Shape shapes[] = {{3, 16, 32, 32, 3, 1, 2, false, false},  {3, 64, 64, 64, 7, 2, 2, false, false},
                          {16, 32, 32, 32, 3, 2, 2, false, false}, {64, 256, 8, 8, 1, 1, 2, false, false},
                          {64, 128, 8, 8, 1, 2, 2, false, false},  {1, 10, 28, 28, 5, 1, 2, false, false}};
  for (const Shape& s : shapes) {
    const Tensor x = torch::empty(s.image()).contiguous(kLast), y = torch::empty(s.result()).contiguous(kLast);
    EXPECT_EQ((Convolution{s.stride, s.padding(), Precision::bf16}.taken(x, torch::empty(s.weight()), y)), Precision::bf16)
        << s.in << " → " << s.out << ", " << s.kernel << " / " << s.stride;
  }
}

}  // namespace
}  // namespace tacet::conv_layers_test
