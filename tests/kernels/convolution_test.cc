// The own convolutions beside libtorch's in double precision, and the basic block made of them beside its twin: values, all
// gradients, running statistics, and the same bits for any number of threads.
#include <cmath>
#include <vector>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "kernels/convolution/basic_block.h"
#include "kernels/convolution/batch_norm.h"
#include "kernels/convolution/convolution_winograd.h"
#include "kernels/convolution/winograd.h"
#include "reference.h"

namespace tacet::convolution_test {
namespace {

using test::expect_close;
using test::tolerance;
using torch::Tensor;

// Images as the kernels have them, [images, height, width, maps], and as libtorch does.
Tensor images(int64_t n, int64_t height, int64_t width, int64_t maps) { return torch::randn({n, height, width, maps}); }
Tensor torchs(const Tensor& t) { return t.permute({0, 3, 1, 2}).to(torch::kDouble); }

RC_GTEST_PROP(Winograd, IsLibtorchsForAllShapes, ()) {
  const int64_t in = 16 * *rc::gen::inRange<int64_t>(1, 4), out = 16 * *rc::gen::inRange<int64_t>(1, 4);
  const Conv3x3 s{*rc::gen::inRange<int64_t>(1, 9), *rc::gen::inRange<int64_t>(1, 40), in, out};
  if (!s.fits()) RC_SUCCEED("needs AVX-512");
  torch::manual_seed(*rc::gen::inRange<uint64_t>(0, 1000));
  const int64_t n = *rc::gen::inRange<int64_t>(1, 4);
  const Tensor x = images(n, s.height, s.width, in), dy = images(n, s.height, s.width, out),
               w = torch::randn({out, in, 3, 3});
  const bool add = *rc::gen::arbitrary<bool>();
  const auto run = [&](const Conv3x3& shape, const Tensor& from, auto pack) {
    std::vector<float> packed(static_cast<size_t>(shape.weights()));
    const int64_t half = shape.out / 32 * 16;  // the maps in two ranges
    pack(s, w.data_ptr<float>(), 0, half, packed.data());
    pack(s, w.data_ptr<float>(), half, shape.out, packed.data());
    const Tensor y = torch::ones({n, s.height, s.width, shape.out});
    convolve(shape, from.data_ptr<float>(), n, packed.data(), y.data_ptr<float>(), add);
    return torchs(y) - (add ? 1 : 0);
  };
  const Tensor exact = torchs(x).requires_grad_(true), weights = w.to(torch::kDouble).requires_grad_(true);
  const Tensor wanted = torch::conv2d(exact, weights, {}, 1, 1);
  const auto d = torch::autograd::grad({wanted}, {exact, weights}, {torchs(dy)});
  expect_close(run(s, x, pack_weights), wanted.detach(), tolerance(9 * in), "result");
  expect_close(run(s.turned(), dy, pack_turned_weights), d[0], tolerance(9 * out), "gradient of the images");

  // Two sums of their own, one of them in ranges of maps: the total is that of both.
  std::vector<float> sums(static_cast<size_t>(2 * s.weights()), 0.0f);
  const int64_t half = n / 2;
  add_weights_gradient(s, x.data_ptr<float>(), dy.data_ptr<float>(), half, 0, out, sums.data());
  for (int64_t from = 0; from < out; from += 16)
    add_weights_gradient(s, x[half].data_ptr<float>(), dy[half].data_ptr<float>(), n - half, from, from + 16,
                         sums.data() + s.weights());
  const Tensor dw = torch::empty_like(w);
  for (int64_t from = 0; from < out; from += 16) unpack_gradient(s, sums.data(), 2, from, from + 16, dw.data_ptr<float>());
  expect_close(dw, d[1], tolerance(n * s.height * s.width), "gradient of the weights");
  RC_ASSERT(!testing::Test::HasFailure());
}

TEST(Winograd, RefusesWhatItHasNoKernelFor) {
  const auto fits = [](const Convolution& c, std::vector<int64_t> x, std::vector<int64_t> w) {
    return winograd_shape(c, torch::empty(x), torch::empty(w)).has_value();
  };
  if (!Conv3x3{8, 8, 16, 16}.fits()) GTEST_SKIP() << "needs AVX-512";
  EXPECT_TRUE(fits({1, 1}, {1, 16, 4, 8}, {16, 16, 3, 3}));
  EXPECT_FALSE(fits({2, 1}, {1, 16, 4, 8}, {16, 16, 3, 3}));
  EXPECT_FALSE(fits({1, 0}, {1, 16, 4, 8}, {16, 16, 3, 3}));
  EXPECT_FALSE(fits({1, 1}, {1, 16, 4, 8}, {16, 16, 5, 5}));
  EXPECT_FALSE(fits({1, 1}, {1, 3, 4, 8}, {16, 3, 3, 3}));
  EXPECT_TRUE(fits({1, 1}, {1, 16, 5, 9}, {16, 16, 3, 3}));
  EXPECT_FALSE(fits({1, 1}, {1, 16, 4, 8}, {24, 16, 3, 3}));
}

struct Block {
  Tensor x;
  ConvNorm first, second;
  std::vector<Tensor> leaves() const {
    return {x, first.weight, first.norm.weight, first.norm.bias, second.weight, second.norm.weight, second.norm.bias};
  }
};

Block block(int64_t n, int64_t maps, int64_t height, int64_t width) {
  torch::manual_seed(11);
  const auto layer = [&] {
    ConvNorm l;
    l.shape = {1, 1};
    l.weight = (torch::randn({maps, maps, 3, 3}) / 12).requires_grad_();
    l.norm = {(torch::rand({maps}) + 0.5).requires_grad_(), torch::randn({maps}).requires_grad_(), torch::zeros({maps}),
              torch::ones({maps})};
    return l;
  };
  const Tensor x = torch::randn({n, maps, height, width}).contiguous(torch::MemoryFormat::ChannelsLast).requires_grad_();
  return {x, layer(), layer()};
}

// A tensor a step of the block computes, by name.
std::vector<Tensor> step(const Block& b, const Tensor& z) {
  torch::manual_seed(12);
  std::vector<Tensor> all = torch::autograd::grad({(z * torch::randn(z.sizes())).sum()}, b.leaves());
  all.insert(all.end(), {z.detach(), b.first.norm.running_mean, b.first.norm.running_variance, b.second.norm.running_mean,
                         b.second.norm.running_variance});
  return all;
}

TEST(BasicBlock, IsItsTwinWithAllGradients) {
  struct Case {
    int64_t n, maps, height, width;
  };
  // More and fewer images than slices, groups of several images, a row that is no multiple of 16.
  for (const Case c : {Case{17, 16, 32, 32}, {3, 16, 5, 24}, {19, 32, 16, 16}, {40, 64, 8, 8}, {2, 48, 7, 7}}) {
    const Block fused = block(c.n, c.maps, c.height, c.width), naive = block(c.n, c.maps, c.height, c.width);
    const Tensor z = basic_block(fused.x, fused.first, fused.second);
    if (Conv3x3{c.height, c.width, c.maps, c.maps}.fits() && fast_convolutions()) {
      EXPECT_NE(z.grad_fn()->name().find("Fused"), std::string::npos);
      EXPECT_EQ(z.grad_fn()->next_edges().size(), 7u) << "not one function";
    }
    const auto a = step(fused, z),
               b = step(naive, conv_norm_naive(conv_norm_naive(naive.x, naive.first), naive.second, naive.x));
    // ReLU's derivative jumps where rounding moves a value over 0: about one element in a million, each of them as large as
    // the others. Two of them are allowed for: they move a length by the root of their share.
    const double allowed = 1e-4 + std::sqrt(2.0 / static_cast<double>(fused.x.numel()));
    for (size_t k = 0; k < a.size(); ++k) {
      const double apart = (a[k] - b[k]).norm().item<double>() / b[k].norm().item<double>();
      EXPECT_LT(apart, allowed) << "tensor " << k << " of " << c.n << " × " << c.maps;
    }
  }
}

// Every product is rounded before it is added. Compilers give a loop versions for memory that lies close together and for
// memory that does not; one of them once fused products and sums, the other did not, and a model's bits followed from
// addresses.
TEST(BatchNorm, RoundsProductsBeforeItAdds) {
  torch::manual_seed(13);
  for (const int64_t channels : {2, 8, 16, 19}) {
    const Rows rows{25, channels, 25};
    const Tensor y = torch::randn({rows.n, channels}), scale = torch::randn({channels}), shift = torch::randn({channels});
    const Tensor z = torch::empty_like(y);
    scale_shift(rows, y.data_ptr<float>(), scale.data_ptr<float>(), shift.data_ptr<float>(), nullptr, /*relu=*/false,
                z.data_ptr<float>());
    EXPECT_TRUE(torch::equal(z, y * scale + shift)) << channels << " channels";
  }
}

TEST(BasicBlock, HasTheSameBitsForAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  std::vector<Tensor> once;
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    const Block b = block(21, 32, 8, 16);
    const auto now = step(b, basic_block(b.x, b.first, b.second));
    for (size_t k = 0; k < once.size(); ++k) EXPECT_TRUE(torch::equal(now[k], once[k])) << k << " with " << threads;
    if (once.empty()) once = now;
  }
  at::set_num_threads(before);
}

}  // namespace
}  // namespace tacet::convolution_test
