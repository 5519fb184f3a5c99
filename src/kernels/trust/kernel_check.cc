// See kernel_check.h.
#include "kernels/trust/kernel_check.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <tuple>

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/lstm.h>
#include <ATen/ops/zeros.h>

#include "base/clock.h"
#include "kernels/product/product.h"
#include "kernels/trust/kernel_paths.h"
#include "kernels/trust/naive_twins.h"

namespace tacet {
namespace {

using at::Tensor;
using Finding = std::optional<std::string>;  // what is wrong; nothing where all is right
using Matrix = std::pair<int64_t, int64_t>;  // a weight [out, in]

struct ConvolutionCase {
  int64_t out, in, kernel;
  bool operator<(const ConvolutionCase& o) const { return std::tie(out, in, kernel) < std::tie(o.out, o.in, o.kernel); }
};

// Sizes keep what is left behind whole blocks of 64, where padding is.
int64_t cut_down(int64_t size) { return size > 128 ? 64 + size % 64 : size; }

// ---- comparison ----

// Rounding moves a sum of some thousand products of numbers below 1 by less than this share of the largest result.
constexpr double limit = 1e-4;

// Compares y with its exact value; NaN is always wrong.
Finding difference(const Tensor& y, const Tensor& exact, const std::string& what) {
  const Tensor got = y.to(at::kDouble), off = (got - exact).abs();
  const double largest = 1 + exact.abs().max().item<double>();
  const Tensor right = off <= limit * largest;
  const int64_t wrong = right.numel() - right.sum().item<int64_t>();
  if (wrong == 0) return {};
  std::ostringstream text;
  text << what << ": " << wrong << " of " << right.numel() << " values are wrong";
  return text.str();
}

// Runs a check. An exception of the kernel is a finding too.
Finding found(const std::string& what, const std::function<Finding()>& check) {
  try {
    return check();
  } catch (const std::exception& e) {
    const std::string why = e.what();
    return what + ": " + why.substr(0, why.find('\n'));
  }
}

Tensor rounded_if(bool round, const Tensor& t) { return round ? t.to(at::kBFloat16).to(at::kFloat) : t; }

// ---- products ----

std::string name_of(const Tensor& a, const Tensor& b, Precision p) {
  std::ostringstream text;
  text << a.size(0) << " × " << a.size(1) << (a.stride(1) == 1 ? "" : " (transposed)") << " · " << b.size(0) << " × "
       << b.size(1) << (b.stride(1) == 1 ? "" : " (transposed)") << (p == Precision::bf16 ? " in bf16" : "");
  return text.str();
}

// Compares y = a · b, and y += a · b.
Finding check_product(const CheckedKernels::Product& f, const Tensor& a, const Tensor& b, Precision p) {
  const bool round = p == Precision::bf16;
  const std::string what = name_of(a, b, p);
  return found(what, [&] {
    const Tensor exact = naive_product(rounded_if(round, a), rounded_if(round, b));
    const Tensor y = at::full({a.size(0), b.size(1)}, NAN, at::kFloat), sum = at::full(y.sizes(), 1, at::kFloat);
    f(a, b, y, /*add=*/false, p);
    f(a, b, sum, /*add=*/true, p);
    if (const Finding wrong = difference(y, exact, what)) return wrong;
    return difference(sum, exact + 1, what + ", added");
  });
}

// Compares the products of a layer with this weight: forward, the gradients of its input and of the weight.
Finding check_layer(const CheckedKernels& kernels, Matrix shape, Precision p, int64_t& checks) {
  const auto [out, in] = shape;
  const Tensor w = plain_numbers({out, in}, 1);
  for (const int64_t rows : {33, 5}) {
    const Tensor x = plain_numbers({rows, in}, 2), dy = plain_numbers({rows, out}, 3);
    checks += 5;
    if (const Finding wrong = check_product(kernels.product, x, w.t(), p)) return wrong;
    if (const Finding wrong = check_product(kernels.product, dy, w, p)) return wrong;
    if (const Finding wrong = check_product(kernels.product, dy.t(), x, p)) return wrong;
    if (const Finding wrong = check_product(kernels.shared_factor, x, w.t(), p)) return wrong;
    if (const Finding wrong = check_product(kernels.shared_factor, dy, w, p)) return wrong;
  }
  return {};
}

Finding check_layers(const CheckedKernels& kernels, const std::set<Matrix>& shapes, Precision p, int64_t& checks) {
  for (const Matrix& shape : shapes)
    if (const Finding wrong = check_layer(kernels, shape, p, checks)) return wrong;
  return {};
}

// ---- convolutions ----

Tensor image(at::IntArrayRef sizes, uint64_t seed) {
  return plain_numbers(sizes, seed).contiguous(at::MemoryFormat::ChannelsLast);
}

Tensor unfilled(const Tensor& like) { return at::empty_like(like).fill_(NAN); }

Finding check_convolution(const CheckedKernels& kernels, const ConvolutionCase& k, int64_t stride, Precision p) {
  const Convolution c{stride, k.kernel / 2, p};
  const auto side = [&](int64_t size) { return (size + 2 * c.padding - k.kernel) / stride + 1; };
  const Tensor x = image({2, k.in, 6, 7}, 1), w = plain_numbers({k.out, k.in, k.kernel, k.kernel}, 2),
               dy = image({2, k.out, side(6), side(7)}, 3);
  const bool round = c.taken(x, w, dy) == Precision::bf16;
  std::ostringstream text;
  text << k.in << " → " << k.out << " maps, " << k.kernel << " × " << k.kernel << ", stride " << stride
       << (p == Precision::bf16 ? " in bf16" : "");
  const std::string what = text.str();
  return found(what, [&] {
    const NaiveConvolution exact =
        naive_convolution(rounded_if(round, x), rounded_if(round, w), rounded_if(round, dy), stride, c.padding);
    const Tensor y = unfilled(dy), dx = unfilled(x), dw = unfilled(w);
    kernels.forward(c, x, w, y);
    kernels.backward_input(c, dy, w, dx);
    kernels.backward_weights(c, x, dy, dw);
    if (const Finding wrong = difference(y, exact.y, what)) return wrong;
    if (const Finding wrong = difference(dx, exact.dx, what + ", gradient of the images")) return wrong;
    return difference(dw, exact.dw, what + ", gradient of the weights");
  });
}

Finding check_convolutions(const CheckedKernels& kernels, const std::set<ConvolutionCase>& cases, Precision p,
                           int64_t& checks) {
  for (const ConvolutionCase& k : cases)
    for (const int64_t stride : {1, 2}) {
      checks += 3;
      if (const Finding wrong = check_convolution(kernels, k, stride, p)) return wrong;
    }
  return {};
}

// ---- libtorch's layers, which the layers of a program's own and the refused kernels' substitutes are made of ----

Finding check_libtorch(const CheckedKernels& kernels, int64_t& checks) {
  for (const ConvolutionCase& k : {ConvolutionCase{20, 3, 3}, ConvolutionCase{50, 20, 3}, ConvolutionCase{16, 16, 3}}) {
    const Tensor x = plain_numbers({2, k.in, 6, 7}, 1), w = plain_numbers({k.out, k.in, 3, 3}, 2);
    const std::string what = "libtorch's convolution of " + std::to_string(k.in) + " → " + std::to_string(k.out) + " maps";
    checks += 1;
    const Finding wrong = found(what, [&] {
      const Tensor dy = at::zeros({2, k.out, 6, 7}, at::kFloat);
      return difference(kernels.libtorch_convolution(x, w), naive_convolution(x, w, dy, 1, 1).y, what);
    });
    if (wrong) return wrong;
  }
  for (const int64_t width : {20, 64}) {
    const std::string what = "libtorch's LSTM of width " + std::to_string(width);
    const Tensor x = plain_numbers({4, 3, 33}, 3);
    std::vector<Tensor> weights = {plain_numbers({4 * width, 33}, 4), plain_numbers({4 * width, width}, 5),
                                   plain_numbers({4 * width}, 6), plain_numbers({4 * width}, 7)};
    for (Tensor& w : weights) w.mul_(0.1);
    checks += 1;
    const Finding wrong = found(what, [&] {
      const Tensor y = kernels.libtorch_lstm(x, weights);
      for (Tensor& w : weights) w = w.to(at::kDouble);  // in double precision, libtorch takes no library's layer
      return difference(y, kernels.libtorch_lstm(x.to(at::kDouble), weights), what);
    });
    if (wrong) return wrong;
  }
  return {};
}

// Switches oneDNN off in libtorch where its layers are wrong with it.
KernelPath libtorch_path(const CheckedKernels& kernels) {
  KernelPath path{"libtorch's layers", "", 0, ""};
  auto& context = at::globalContext();
  const bool with_onednn = context.userEnabledMkldnn();
  Finding wrong = check_libtorch(kernels, path.checks);
  if (wrong && with_onednn) {
    path.refused = *wrong;
    context.setUserEnabledMkldnn(false);
    wrong = check_libtorch(kernels, path.checks);
  }
  if (wrong) throw std::runtime_error("libtorch computes wrong results here: " + *wrong);
  path.path = context.userEnabledMkldnn() && context.hasMKLDNN() ? "onednn" : "without onednn";
  return path;
}

// Refuses a kernel for what was found, or trusts it.
KernelPath judged(Kernel kernel, std::string name, int64_t checks, const Finding& wrong, std::string substitute) {
  refuse(kernel, wrong.has_value());
  return {std::move(name), wrong ? std::move(substitute) : "onednn", checks, wrong.value_or("")};
}

struct Cases {
  std::set<Matrix> matrices;
  std::set<ConvolutionCase> convolutions;
};

Cases cases_of(const std::vector<std::vector<int64_t>>& parameters) {
  Cases all;
  for (const auto& shape : parameters) {
    if (shape.size() == 2) all.matrices.insert({cut_down(shape[0]), cut_down(shape[1])});
    if (shape.size() == 4 && shape[2] == shape[3])
      all.convolutions.insert({cut_down(shape[0]), cut_down(shape[1]), std::min<int64_t>(shape[2], 7)});
  }
  // Known to break: fewer columns or lines behind the whole blocks than a block has, an odd inner size, few and odd maps.
  if (!all.matrices.empty()) all.matrices.insert({{80, 65}, {200, 17}, {10, 33}});
  if (!all.convolutions.empty()) all.convolutions.insert({{20, 1, 5}, {50, 20, 5}, {16, 3, 3}, {5, 6, 1}});
  return all;
}

}  // namespace

CheckedKernels kernels_in_use() {
  CheckedKernels k;
  k.product = product;
  k.shared_factor = [](const Tensor& a, const Tensor& b, const Tensor& y, bool add, Precision p) {
    SharedFactor(b, a.size(0), p).multiply(a.data_ptr<float>(), a.size(0), y.data_ptr<float>(), add);
  };
  k.forward = [](const Convolution& c, const Tensor& x, const Tensor& w, const Tensor& y) { c.forward(x, w, y); };
  k.backward_input = [](const Convolution& c, const Tensor& dy, const Tensor& w, const Tensor& dx) {
    c.backward_input(dy, w, dx);
  };
  k.backward_weights = [](const Convolution& c, const Tensor& x, const Tensor& dy, const Tensor& dw) {
    c.backward_weights(x, dy, dw);
  };
  k.libtorch_convolution = [](const Tensor& x, const Tensor& w) { return at::conv2d(x, w, {}, 1, 1); };
  k.libtorch_lstm = [](const Tensor& x, const std::vector<Tensor>& weights) {
    const Tensor zero = at::zeros({1, x.size(1), weights[1].size(1)}, x.options());
    return std::get<0>(at::lstm(x, {zero, zero}, weights, /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0.0,
                                /*train=*/false, /*bidirectional=*/false, /*batch_first=*/false));
  };
  return k;
}

KernelReport check_kernels(const std::vector<std::vector<int64_t>>& parameters, Precision precision,
                           const CheckedKernels& kernels) {
  KernelReport report;
  const auto start = Clock::now();
  const at::NoGradGuard no_grad;
  const Cases cases = cases_of(parameters);
  const bool bf16 = precision == Precision::bf16;
  for (const Kernel k : {Kernel::products, Kernel::products_bf16, Kernel::convolutions, Kernel::convolutions_bf16})
    refuse(k, false);
  const auto judge_layers = [&](Kernel k, const char* name, Precision p, const char* substitute) {
    int64_t checks = 0;
    const Finding wrong = check_layers(kernels, cases.matrices, p, checks);
    report.paths.push_back(judged(k, name, checks, wrong, substitute));
  };
  const auto judge_convolutions = [&](Kernel k, const char* name, Precision p, const char* substitute) {
    int64_t checks = 0;
    const Finding wrong = check_convolutions(kernels, cases.convolutions, p, checks);
    report.paths.push_back(judged(k, name, checks, wrong, substitute));
  };
  if (!cases.matrices.empty() && fast_products()) {
    judge_layers(Kernel::products, "products", Precision::f32, "libtorch");
    if (bf16) judge_layers(Kernel::products_bf16, "products in bf16", Precision::bf16, "f32");
  }
  if (!cases.convolutions.empty() && fast_convolutions()) {
    judge_convolutions(Kernel::convolutions, "convolutions", Precision::f32, "libtorch");
    if (bf16) judge_convolutions(Kernel::convolutions_bf16, "convolutions in bf16", Precision::bf16, "f32");
  }
  if (!cases.matrices.empty() || !cases.convolutions.empty()) report.paths.push_back(libtorch_path(kernels));
  report.milliseconds = 1000 * since(start);
  return report;
}

KernelReport check_all_kernels() {
  return check_kernels({{10000, 400}, {4600, 1150}, {64, 64, 3, 3}, {256, 64, 1, 1}, {64, 3, 7, 7}},
                       bf16_products() ? Precision::bf16 : Precision::f32);
}

std::vector<std::string> KernelReport::refusals() const {
  std::vector<std::string> lines;
  for (const KernelPath& p : paths)
    if (!p.refused.empty())
      lines.push_back("kernels: " + p.kernel + " of oneDNN are wrong on this machine (" + p.refused +
                      ") and are not used; in their place: " + p.path);
  return lines;
}

}  // namespace tacet
