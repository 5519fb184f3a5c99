// See conv_norm.h.
#include "kernels/conv_norm.h"

#include <cmath>
#include <vector>

#include <torch/torch.h>

#include "kernels/batch_norm.h"

namespace tacet {
namespace {

using torch::Tensor;

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

Tensor image(const Tensor& x, int64_t maps, int64_t height, int64_t width) {
  return at::empty({x.size(0), maps, height, width}, x.options().memory_format(kLast));
}

Tensor image_like(const Tensor& x) { return image(x, x.size(1), x.size(2), x.size(3)); }

Rows rows_of(const Tensor& y) { return {y.size(0) * y.size(2) * y.size(3), y.size(1)}; }

float* values(const Tensor& t) { return t.data_ptr<float>(); }

Tensor convolved(const Tensor& x, const ConvNorm& l) {
  const auto side = [&](int64_t size) { return (size + 2 * l.shape.padding - l.weight.size(2)) / l.shape.stride + 1; };
  Tensor y = image(x, l.weight.size(0), side(x.size(2)), side(x.size(3)));
  l.shape.forward(x, l.weight, y);
  return y;
}

bool by_batch(const ConvNorm& l) { return l.training || !l.norm.running_mean.defined(); }

// running ← running + momentum (new − running), the variance unbiased, as torch does.
void follow(const BatchNorm& norm, int64_t n, const Tensor& mean, const Tensor& variance) {
  const auto momentum = static_cast<float>(norm.momentum);
  const float unbiased = static_cast<float>(n) / static_cast<float>(n - 1);
  float *m = values(norm.running_mean), *v = values(norm.running_variance);
  for (int64_t k = 0; k < mean.numel(); ++k) {
    m[k] += momentum * (values(mean)[k] - m[k]);
    v[k] += momentum * (unbiased * values(variance)[k] - v[k]);
  }
}

struct Normalized {
  Tensor z, mean, inverse;
};

Normalized normalized(const Tensor& y, const ConvNorm& l, const Tensor& added, const Tensor& z) {
  const Rows rows = rows_of(y);
  Tensor mean = l.norm.running_mean, variance = l.norm.running_variance;
  if (by_batch(l)) {
    mean = at::empty({rows.c});
    variance = at::empty({rows.c});
    channel_moments(rows, values(y), values(mean), values(variance));
    if (l.training && l.norm.running_mean.defined()) follow(l.norm, rows.n, mean, variance);
  }
  const Tensor inverse = at::empty({rows.c});
  std::vector<float> scale(static_cast<size_t>(rows.c)), shift(scale.size());
  for (size_t k = 0; k < scale.size(); ++k) {
    values(inverse)[k] = static_cast<float>(1 / std::sqrt(static_cast<double>(values(variance)[k]) + l.norm.epsilon));
    scale[k] = values(l.norm.weight)[k] * values(inverse)[k];
    shift[k] = values(l.norm.bias)[k] - values(mean)[k] * scale[k];
  }
  scale_shift(rows, values(y), scale.data(), shift.data(), added.defined() ? values(added) : nullptr, l.relu, values(z));
  return {z, mean, inverse};
}

struct Fused : torch::autograd::Function<Fused> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& w, const Tensor& gamma,
                        const Tensor& beta, const c10::optional<Tensor>& given, const ConvNorm* l) {
    const Tensor added = given.value_or(Tensor());  // an undefined tensor is no input
    const Tensor y = convolved(x, *l);
    auto [z, mean, inverse] = normalized(y, *l, added, image_like(y));
    ctx->save_for_backward({x, w, gamma, y, l->relu ? z : Tensor(), mean, inverse});
    ctx->saved_data["stride"] = l->shape.stride;
    ctx->saved_data["padding"] = l->shape.padding;
    ctx->saved_data["added"] = added.defined();
    return z;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1], &gamma = saved[2], &y = saved[3], &z = saved[4];
    const Tensor dz = grads[0].contiguous(kLast);  // already so, unless another operation stands behind
    const Convolution shape{ctx->saved_data["stride"].toInt(), ctx->saved_data["padding"].toInt()};
    const Tensor dy = image_like(y), d_gamma = at::empty_like(gamma), d_beta = at::empty_like(gamma);
    const Tensor d_added = ctx->saved_data["added"].toBool() ? image_like(y) : Tensor();
    norm_backward(rows_of(y), values(y), values(dz), z.defined() ? values(z) : nullptr,
                  {values(saved[5]), values(saved[6]), values(gamma)}, values(dy), values(d_gamma), values(d_beta),
                  d_added.defined() ? values(d_added) : nullptr);
    const Tensor dw = at::empty_like(w);
    shape.backward_weights(x, dy, dw);
    Tensor dx;
    if (ctx->needs_input_grad(0)) {
      dx = image_like(x);
      shape.backward_input(dy, w, dx);
    }
    return {dx, dw, d_gamma, d_beta, d_added, Tensor()};
  }
};

bool fits(const Tensor& x) {
  return !x.defined() || (x.scalar_type() == at::kFloat && x.device().is_cpu() && x.dim() == 4 && x.is_contiguous(kLast));
}

}  // namespace

Tensor conv_norm_naive(const Tensor& x, const ConvNorm& l, const Tensor& added) {
  const Tensor y = torch::conv2d(x, l.weight, {}, l.shape.stride, l.shape.padding);
  Tensor z = torch::batch_norm(y, l.norm.weight, l.norm.bias, l.norm.running_mean, l.norm.running_variance, by_batch(l),
                               l.norm.momentum, l.norm.epsilon, /*cudnn_enabled=*/false);
  if (added.defined()) z = z + added;
  return l.relu ? torch::relu(z) : z;
}

Tensor conv_norm(const Tensor& x, const ConvNorm& l, const Tensor& added) {
  const bool plain = l.weight.is_contiguous() && l.weight.size(2) == l.weight.size(3);
  if (!fast_convolutions() || !fits(x) || !fits(added) || !plain) return conv_norm_naive(x, l, added);
  if (torch::GradMode::is_enabled()) {
    if (!by_batch(l)) return conv_norm_naive(x, l, added);
    return Fused::apply(x, l.weight, l.norm.weight, l.norm.bias,
                        added.defined() ? c10::optional<Tensor>(added) : c10::nullopt, &l);
  }
  const Tensor y = convolved(x, l);
  return normalized(y, l, added, y).z;  // in place: nobody needs y again
}

}  // namespace tacet
