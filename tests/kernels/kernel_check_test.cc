// Trust in kernels: right ones pass, one that is broken on purpose is refused, and a right path takes its place.
#include "kernels/trust/kernel_check.h"

#include <gtest/gtest.h>

#include <ATen/Context.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "kernels/convolution/conv_bias.h"
#include "kernels/product/linear.h"
#include "kernels/product/product.h"
#include "kernels/recurrent/recurrent.h"
#include "kernels/trust/kernel_paths.h"
#include "reference.h"

namespace tacet::kernel_check_test {
namespace {

using test::expect_close;
using test::tolerance;
using torch::Tensor;

constexpr auto kLast = torch::MemoryFormat::ChannelsLast;

const std::vector<std::vector<int64_t>> network = {{1000, 40}, {1000}, {32, 3, 3, 3}, {32}};

// Trusts all kernels again, whatever a test has refused.
struct Trust : testing::Test {
  ~Trust() override {
    for (const Kernel k : {Kernel::products, Kernel::products_bf16, Kernel::convolutions, Kernel::convolutions_bf16})
      refuse(k, false);
  }
};

const KernelPath& path_of(const KernelReport& report, const std::string& kernel) {
  for (const KernelPath& p : report.paths)
    if (p.kernel == kernel) return p;
  static const KernelPath none;
  ADD_FAILURE() << "nothing was said about " << kernel;
  return none;
}

// The fault that was met: the columns behind the last whole block of 64 are garbage.
void spoil_last_columns(const Tensor& y) {
  const int64_t whole = y.size(1) / 64 * 64;
  if (whole < y.size(1)) y.narrow(1, whole, y.size(1) - whole).fill_(0.5);
}

TEST_F(Trust, RightKernelsAreTaken) {
  const KernelReport report = check_all_kernels();
  for (const KernelPath& p : report.paths) {
    EXPECT_EQ(p.refused, "") << p.kernel;
    EXPECT_GT(p.checks, 0) << p.kernel;
  }
  EXPECT_TRUE(report.refusals().empty());
  EXPECT_EQ(report.paths.back().kernel, "libtorch's layers");
  EXPECT_GT(report.milliseconds, 0);
  if (onednn_version().empty()) return;
  EXPECT_EQ(path_of(report, "products").path, "onednn");
  EXPECT_EQ(path_of(report, "convolutions").path, "onednn");
}

TEST_F(Trust, ParametersOfOneDimensionNeedNoCheck) {
  EXPECT_TRUE(check_kernels({{10}, {}}, Precision::f32).paths.empty());
  const KernelReport report = check_kernels({{10, 20}}, Precision::f32);
  for (const KernelPath& p : report.paths) EXPECT_NE(p.kernel, "convolutions");
}

TEST_F(Trust, ABrokenProductIsRefusedAndLibtorchsTaken) {
  if (onednn_version().empty()) GTEST_SKIP() << "a build without oneDNN";
  CheckedKernels broken = kernels_in_use();
  broken.product = [](const Tensor& a, const Tensor& b, const Tensor& y, bool add, Precision p) {
    product(a, b, y, add, p);
    spoil_last_columns(y);
  };
  const KernelReport report = check_kernels(network, Precision::f32, broken);
  const KernelPath& path = path_of(report, "products");
  EXPECT_EQ(path.path, "libtorch");
  EXPECT_NE(path.refused.find("values are wrong"), std::string::npos) << path.refused;
  ASSERT_EQ(report.refusals().size(), 1u);
  EXPECT_NE(report.refusals()[0].find("in their place: libtorch"), std::string::npos) << report.refusals()[0];
  EXPECT_FALSE(fast_products());
  EXPECT_EQ(recurrent_path(), "libtorch");
  EXPECT_FALSE(uses_native_kernels(torch::zeros({1})));
  torch::manual_seed(1);
  const Tensor x = torch::randn({70, 40}), w = torch::randn({1000, 40});
  expect_close(linear(x, w, Tensor()), torch::linear(x.to(torch::kDouble), w.to(torch::kDouble)), tolerance(40), "linear");

  // The next check finds nothing wrong.
  EXPECT_EQ(path_of(check_kernels(network, Precision::f32), "products").path, "onednn");
  EXPECT_TRUE(fast_products());
}

TEST_F(Trust, ABrokenSharedFactorIsRefused) {
  if (onednn_version().empty()) GTEST_SKIP() << "a build without oneDNN";
  CheckedKernels broken = kernels_in_use();
  broken.shared_factor = [own = broken.shared_factor](const Tensor& a, const Tensor& b, const Tensor& y, bool add,
                                                      Precision p) {
    own(a, b, y, add, p);
    spoil_last_columns(y);
  };
  EXPECT_NE(path_of(check_kernels(network, Precision::f32, broken), "products").refused, "");
}

TEST_F(Trust, AKernelThatThrowsOrWritesNothingIsRefused) {
  if (onednn_version().empty()) GTEST_SKIP() << "a build without oneDNN";
  CheckedKernels broken = kernels_in_use();
  broken.product = [](const Tensor&, const Tensor&, const Tensor&, bool, Precision) {};
  EXPECT_NE(path_of(check_kernels(network, Precision::f32, broken), "products").refused, "");
  broken.product = [](const Tensor&, const Tensor&, const Tensor&, bool, Precision) {
    throw std::runtime_error("no primitive\nof this kind");
  };
  const std::string said = path_of(check_kernels(network, Precision::f32, broken), "products").refused;
  EXPECT_NE(said.find("no primitive"), std::string::npos) << said;
  EXPECT_EQ(said.find('\n'), std::string::npos);
}

TEST_F(Trust, BrokenConvolutionsAreRefusedAndLibtorchsTaken) {
  if (onednn_version().empty()) GTEST_SKIP() << "a build without oneDNN";
  const auto spoil = [](const Tensor& t) { t.select(0, t.size(0) - 1).mul_(2); };
  const CheckedKernels right = kernels_in_use();
  for (int part = 0; part < 3; ++part) {
    CheckedKernels broken = right;
    CheckedKernels::Convolve& f = part == 0 ? broken.forward : part == 1 ? broken.backward_input : broken.backward_weights;
    f = [own = f, spoil](const Convolution& c, const Tensor& a, const Tensor& b, const Tensor& out) {
      own(c, a, b, out);
      spoil(out);
    };
    const KernelReport report = check_kernels(network, Precision::f32, broken);
    EXPECT_NE(path_of(report, "convolutions").refused, "") << part;
    EXPECT_EQ(path_of(report, "convolutions").path, "libtorch");
    EXPECT_EQ(path_of(report, "products").refused, "") << "a convolution's fault is not the products'";
  }
  torch::manual_seed(2);
  const Tensor x = torch::randn({2, 3, 8, 8}).contiguous(kLast), w = torch::randn({32, 3, 3, 3}).requires_grad_();
  const ConvBias layer{{1, 1}, w, torch::randn({32}), false};
  const Tensor y = conv_bias(x, layer);
  EXPECT_EQ(y.grad_fn()->name().find("Fused"), std::string::npos) << "tacet's path was taken";
  expect_close(y.detach(),
               torch::conv2d(x.to(torch::kDouble), w.detach().to(torch::kDouble), layer.bias.to(torch::kDouble), 1, 1),
               tolerance(27), "convolution");
}

// Refused bf16 products give what rounded factors give in f32, on every processor.
TEST_F(Trust, RefusedBf16ProductsRoundTheirFactors) {
  if (onednn_version().empty()) GTEST_SKIP() << "a build without oneDNN";
  refuse(Kernel::products_bf16, true);
  torch::manual_seed(3);
  struct Case {
    int64_t m, k, n;
  };
  for (const auto& [m, k, n] : {Case{33, 65, 80}, Case{5, 17, 200}}) {
    const Tensor a = torch::randn({m, k}), w = torch::randn({n, k}), b = w.t(), y = torch::ones({m, n});
    const auto rounded = [](const Tensor& t) { return t.to(torch::kBFloat16).to(torch::kDouble); };
    product(a, b, y, /*add=*/true, Precision::bf16);
    expect_close(y, rounded(a).mm(rounded(b)) + 1, tolerance(k + 1), "product");
    y.fill_(0);
    SharedFactor(b, m, Precision::bf16).multiply(a.data_ptr<float>(), m, y.data_ptr<float>(), /*add=*/false);
    expect_close(y, rounded(a).mm(rounded(b)), tolerance(k + 1), "shared factor");
  }
}

TEST_F(Trust, RefusedBf16ConvolutionsTakeF32) {
  if (onednn_version().empty()) GTEST_SKIP() << "a build without oneDNN";
  refuse(Kernel::convolutions_bf16, true);
  const Tensor x = torch::zeros({1, 16, 8, 8}).contiguous(kLast), w = torch::zeros({16, 16, 3, 3});
  EXPECT_EQ((Convolution{1, 1, Precision::bf16}.taken(x, w, x)), Precision::f32);
}

TEST_F(Trust, LibtorchDoesWithoutOneDnnWhereItsLayersAreWrong) {
  auto& context = at::globalContext();
  const bool before = context.userEnabledMkldnn();
  CheckedKernels broken = kernels_in_use();
  broken.libtorch_convolution = [own = broken.libtorch_convolution](const Tensor& x, const Tensor& w) {
    return at::globalContext().userEnabledMkldnn() ? own(x, w) * 2 : own(x, w);
  };
  context.setUserEnabledMkldnn(true);
  const KernelReport report = check_kernels(network, Precision::f32, broken);
  EXPECT_FALSE(context.userEnabledMkldnn());
  EXPECT_EQ(path_of(report, "libtorch's layers").path, "without onednn");
  EXPECT_NE(path_of(report, "libtorch's layers").refused, "");
  EXPECT_EQ(report.refusals().size(), 1u);

  broken.libtorch_convolution = [](const Tensor& x, const Tensor& w) {
    return torch::zeros({x.size(0), w.size(0), x.size(2), x.size(3)});
  };
  EXPECT_THROW(check_kernels(network, Precision::f32, broken), std::runtime_error);
  context.setUserEnabledMkldnn(before);
}

}  // namespace
}  // namespace tacet::kernel_check_test
