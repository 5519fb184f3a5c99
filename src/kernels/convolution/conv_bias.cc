// See conv_bias.h.
#include "kernels/convolution/conv_bias.h"

#include <vector>

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "kernels/convolution/channels_last.h"

namespace tacet {
namespace {

using torch::Tensor;

// conv(x) + bias, in the convolution's own memory.
Tensor result(const Tensor& x, const ConvBias& l) {
  const Tensor y = convolved(x, l.weight, l.shape);
  const std::vector<float> ones(static_cast<size_t>(y.size(1)), 1.0f);
  scale_shift(rows_of(y), values(y), ones.data(), values(l.bias), nullptr, l.relu, values(y));
  return y;
}

struct FusedBias : torch::autograd::Function<FusedBias> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& w, const Tensor&,
                        const ConvBias* l) {
    const Tensor z = result(x, *l);
    ctx->save_for_backward({x, w, l->relu ? z : Tensor()});
    ctx->saved_data["shape"] = saved(l->shape);
    return z;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto kept = ctx->get_saved_variables();
    const Tensor &x = kept[0], &w = kept[1], &z = kept[2];
    const Convolution shape = restored(ctx->saved_data["shape"]);
    const Tensor dz = grads[0].contiguous(kLast);  // already so, unless another operation stands behind
    const Tensor dy = z.defined() ? image_like(dz) : dz, d_bias = at::empty({w.size(0)}, w.options()),
                 dw = at::empty_like(w);
    bias_backward(rows_of(dz), values(dz), z.defined() ? values(z) : nullptr, values(dy), values(d_bias));
    shape.backward_weights(x, dy, dw);
    Tensor dx;
    if (ctx->needs_input_grad(0)) {
      dx = image_like(x);
      shape.backward_input(dy, w, dx);
    }
    return {dx, dw, d_bias, Tensor()};
  }
};

}  // namespace

Tensor conv_bias_naive(const Tensor& x, const ConvBias& l) {
  const Tensor y = torch::conv2d(x, l.weight, l.bias, l.shape.stride, l.shape.padding);
  return l.relu ? torch::relu(y) : y;
}

Tensor conv_bias(const Tensor& x, const ConvBias& l) {
  if (!takes_fused(x, l.weight)) return conv_bias_naive(x, l);
  return torch::GradMode::is_enabled() ? FusedBias::apply(x, l.weight, l.bias, &l) : result(x, l);
}

}  // namespace tacet
