// See conv_norm.h.
#include "kernels/convolution/conv_norm.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "kernels/convolution/channels_last.h"
#include "kernels/convolution/conv_norm_parts.h"

namespace tacet {
namespace {

using torch::Tensor;

struct FusedNorm : torch::autograd::Function<FusedNorm> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& w, const Tensor& gamma,
                        const Tensor& beta, const Tensor& given, const ConvNorm* l) {
    const Tensor added = given.numel() > 0 ? given : Tensor();  // an undefined tensor is no input
    const Convolved c = convolved_and_measured(x, *l);
    const Tensor& y = c.y;
    const Scaling scaling = scaling_of(c, *l);
    const Tensor z = normalized(c, scaling, added, l->relu, image_like(y));
    ctx->save_for_backward({x, w, gamma, y, l->relu ? z : Tensor(), c.mean, scaling.inverse});
    ctx->saved_data["shape"] = saved(l->shape);
    ctx->saved_data["added"] = added.defined();
    return z;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto kept = ctx->get_saved_variables();
    const Tensor &x = kept[0], &w = kept[1], &gamma = kept[2], &y = kept[3], &z = kept[4];
    const Tensor dz = grads[0].contiguous(kLast);  // already so, unless another operation stands behind
    const Convolution shape = restored(ctx->saved_data["shape"]);
    const Tensor d_gamma = at::empty_like(gamma), d_beta = at::empty_like(gamma), dw = at::empty_like(w);
    const Tensor d_added = ctx->saved_data["added"].toBool() ? image_like(y) : Tensor();
    const Tensor dx = ctx->needs_input_grad(0) ? image_like(x) : Tensor();
    const auto there = [](const Tensor& t) { return t.defined() ? values(t) : nullptr; };
    const Norm norm{values(kept[5]), values(kept[6]), values(gamma)};
    const Gradients to{values(d_gamma), values(d_beta), there(d_added), there(dx), values(dw)};
    if (const auto s = winograd_shape(shape, x, w); s && few_weights(*s)) {
      backward_in_groups(*s, x, w, {values(y), values(dz), there(z), norm}, to);
    } else {
      const Tensor dy = image_like(y);
      norm_backward(rows_of(y), values(y), values(dz), there(z), norm, values(dy), to.d_gamma, to.d_beta, to.d_added);
      shape.backward_weights(x, dy, dw);
      if (dx.defined()) shape.backward_input(dy, w, dx);
    }
    return {dx, dw, d_gamma, d_beta, d_added, Tensor()};
  }
};

}  // namespace

Tensor conv_norm_naive(const Tensor& x, const ConvNorm& l, const Tensor& added) {
  const Tensor y = torch::conv2d(x, l.weight, {}, l.shape.stride, l.shape.padding);
  if (l.training) require_two_values(y.numel() / y.size(1));
  Tensor z = torch::batch_norm(y, l.norm.weight, l.norm.bias, l.norm.running_mean, l.norm.running_variance, by_batch(l),
                               l.norm.momentum, l.norm.epsilon, /*cudnn_enabled=*/false);
  if (added.defined()) z = z + added;
  return l.relu ? torch::relu(z) : z;
}

Tensor conv_norm(const Tensor& x, const ConvNorm& l, const Tensor& added) {
  if (!takes_fused(x, l.weight) || !fits(added)) return conv_norm_naive(x, l, added);
  if (torch::GradMode::is_enabled()) {
    if (!by_batch(l)) return conv_norm_naive(x, l, added);
    return FusedNorm::apply(x, l.weight, l.norm.weight, l.norm.bias, added.defined() ? added : at::empty({0}, x.options()),
                            &l);
  }
  const Convolved c = convolved_and_measured(x, l);
  return normalized(c, scaling_of(c, l), added, l.relu, c.y);  // in place: nobody needs y again
}

}  // namespace tacet
