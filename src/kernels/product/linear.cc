// See linear.h.
#include "kernels/product/linear.h"

#include <algorithm>
#include <cmath>

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "kernels/product/product.h"
#include "kernels/recurrent/cells.h"
#include "kernels/recurrent/recurrent.h"

namespace tacet {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor multiplied(const at::Tensor& a, const at::Tensor& b, Precision precision) {
  const at::Tensor y = at::empty({a.size(0), b.size(1)}, a.options());
  product(a, b, y, /*add=*/false, precision);
  return y;
}

struct Affinely : torch::autograd::Function<Affinely> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            int64_t precision) {
    context->save_for_backward({x, weight});
    context->saved_data["precision"] = precision;
    context->saved_data["biased"] = bias.numel() > 0;
    if (bias.numel() == 0) return multiplied(x, weight.t(), static_cast<Precision>(precision));
    const at::Tensor y = at::empty({x.size(0), bias.size(0)}, x.options());
    y.copy_(bias.expand_as(y));
    product(x, weight.t(), y, /*add=*/true, static_cast<Precision>(precision));
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto precision = static_cast<Precision>(context->saved_data["precision"].toInt());
    const at::Tensor dy = gradients[0].contiguous();
    return {context->needs_input_grad(0) ? multiplied(dy, saved[1], precision) : at::Tensor(),
            context->needs_input_grad(1) ? multiplied(dy.t(), saved[0], precision) : at::Tensor(),
            context->saved_data["biased"].toBool() && context->needs_input_grad(2) ? dy.sum(0) : at::Tensor(),
            {}};
  }
};

// autograd::Function takes no undefined tensors; an empty one stands for no bias.
at::Tensor defined(const at::Tensor& bias, const at::Tensor& x) {
  return bias.defined() ? bias : at::empty({0}, x.options());
}

// Multiplications of an affine map that are worth a product of our own.
constexpr int64_t smallest = 1 << 14;

// Rows of scores held at a time: enough for products at full speed, few enough for the scores to stay in the cache.
constexpr int64_t scored_at_once = 350;

struct VocabularyEntropy : torch::autograd::Function<VocabularyEntropy> {
  // Gradients are made on the way, while the scores are at hand, and wait for the backward pass.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& target, int64_t precision_number, bool differentiate) {
    const auto precision = static_cast<Precision>(precision_number);
    const int64_t n = x.size(0), vocabulary = weight.size(0), most = std::min(n, scored_at_once);
    const at::Tensor scores = at::empty({most, vocabulary}, x.options());
    const at::Tensor losses = at::empty({n}, x.options().dtype(at::kDouble));
    const bool biased = bias.numel() > 0;
    const at::Tensor dx = differentiate ? at::empty_like(x) : at::Tensor(),
                     dw = differentiate ? at::empty_like(weight) : at::Tensor(),
                     db = differentiate && biased ? at::zeros_like(bias) : at::Tensor();
    const SharedFactor forward_map(weight.t(), most, precision);
    const float* const b = biased ? bias.data_ptr<float>() : nullptr;
    const int64_t* const wanted = target.data_ptr<int64_t>();
    for (int64_t first = 0; first < n; first += most) {
      const int64_t rows = std::min(most, n - first);
      float* const s = scores.data_ptr<float>();
      forward_map.multiply(x.data_ptr<float>() + first * x.size(1), rows, s, /*add=*/false);
      at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          losses.data_ptr<double>()[first + row] =
              entropy_row(vocabulary, s + row * vocabulary, b, wanted[first + row], 1 / static_cast<float>(n));
      });
      if (!differentiate) continue;
      const at::Tensor ds = scores.narrow(0, 0, rows);
      if (biased) db.add_(ds.sum(0));
      product(ds, weight, dx.narrow(0, first, rows), /*add=*/false, precision);
      product(ds.t(), x.narrow(0, first, rows), dw, /*add=*/first > 0, precision);
    }
    context->save_for_backward({dx, dw, db});
    return (losses.sum() / static_cast<double>(n)).to(x.scalar_type());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    variable_list out = context->get_saved_variables();
    if (const float scale = gradients[0].item<float>(); scale != 1)
      for (at::Tensor& t : out)
        if (t.defined()) t = t * scale;
    out.resize(6);
    return out;
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, Precision precision) {
  // libtorch's call costs less than the product of a few numbers, or none, that it is made for.
  if (!uses_native_kernels(x) || x.numel() * weight.size(0) < smallest) return torch::linear(x, weight, bias);
  std::vector<int64_t> shape = x.sizes().vec();
  const at::Tensor y =
      Affinely::apply(x.reshape({-1, shape.back()}).contiguous(), weight, defined(bias, x), static_cast<int64_t>(precision));
  shape.back() = weight.size(0);
  return y.view(shape);
}

at::Tensor linear_cross_entropy(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                const at::Tensor& target, Precision precision) {
  if (!uses_native_kernels(x)) return linear_cross_entropy_libtorch(x, weight, bias, target);
  const bool differentiate = at::GradMode::is_enabled() &&
                             (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  return VocabularyEntropy::apply(x.contiguous(), weight, defined(bias, x), target.contiguous(),
                                  static_cast<int64_t>(precision), differentiate);
}

at::Tensor linear_cross_entropy_libtorch(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                         const at::Tensor& target) {
  return torch::cross_entropy_loss(torch::linear(x, weight, bias), target);
}

}  // namespace tacet
