// See conv_norm.h.
#include "kernels/conv_norm.h"

#include <cmath>
#include <memory>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include "kernels/batch_norm.h"
#include "kernels/convolution_direct.h"

namespace tacet {
namespace {

using torch::Tensor;

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

Tensor image(const Tensor& x, int64_t maps, int64_t height, int64_t width) {
  return at::empty({x.size(0), maps, height, width}, x.options().memory_format(kLast));
}

Tensor image_like(const Tensor& x) { return image(x, x.size(1), x.size(2), x.size(3)); }

Rows rows_of(const Tensor& y) { return rows_of_images(y.size(0), y.size(2), y.size(3), y.size(1)); }

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

// A convolution and what its result is normalised by.
struct Convolved {
  Tensor y, mean, variance;
};

// The moments of images are taken while they are still in the cache, where the convolution allows it.
Convolved convolved_and_measured(const Tensor& x, const ConvNorm& l) {
  if (!by_batch(l)) return {convolved(x, l), l.norm.running_mean, l.norm.running_variance};
  const auto direct = direct_shape(l.shape, x, l.weight);
  const Tensor y = direct ? image(x, direct->out, direct->height, direct->width) : convolved(x, l);
  const Rows rows = rows_of(y);
  Moments moments(rows);
  const int64_t pixels = y.size(2) * y.size(3), in = x.size(1);
  const auto measure = [&](int64_t first, int64_t images) {
    moments.add(first * pixels, images * pixels, values(y) + first * pixels * rows.c);
  };
  if (direct) {
    const DirectWeights weights(*direct, l.weight, /*turned=*/false);
    each_group(*direct, x.size(0), [&](int64_t first, int64_t images) {
      convolve(*direct, values(x) + first * pixels * in, images, weights.data(), values(y) + first * pixels * rows.c);
      measure(first, images);
    });
  } else {
    at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) { measure(begin, end - begin); });
  }
  const Tensor mean = at::empty({rows.c}), variance = at::empty({rows.c});
  moments.finish(values(mean), values(variance));
  if (l.training && l.norm.running_mean.defined()) follow(l.norm, rows.n, mean, variance);
  return {y, mean, variance};
}

struct Normalized {
  Tensor z, mean, inverse;
};

Normalized normalized(const Convolved& c, const ConvNorm& l, const Tensor& added, const Tensor& z) {
  const auto& [y, mean, variance] = c;
  const Rows rows = rows_of(y);
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

// What the forward pass left of a normalisation, and the gradient of its result.
struct Normed {
  const float *y, *dz, *z;
  Norm norm;
};

// Where gradients go; null: not wanted.
struct Gradients {
  float *d_gamma, *d_beta, *d_added, *dx, *dw;
};

// The gradient of the convolution's result is in a cache when both convolutions with it take it, and nowhere else.
void backward_in_groups(const Direct& s, const Tensor& x, const Tensor& w, const Normed& n, const Gradients& to) {
  const int64_t pixels = s.height * s.width, in = pixels * s.in, out = pixels * s.out, images = x.size(0);
  const auto at = [](float* t, int64_t place) { return t ? t + place : nullptr; };
  const auto given = [](const float* t, int64_t place) { return t ? t + place : nullptr; };
  NormBackward norm(rows_of_images(images, s.height, s.width, s.out), n.norm);
  each_group(s, images, [&](int64_t first, int64_t count) {
    const int64_t place = first * out;
    norm.add(first * pixels, count * pixels, n.y + place, n.dz + place, given(n.z, place));
  });
  norm.finish(to.d_gamma, to.d_beta);
  const DirectWeights turned(s, w, /*turned=*/true);
  const Direct back{s.height, s.width, s.out, s.in};
  SlicedGradient dw(s, images);
  at::parallel_for(0, dw.slices(), 1, [&](int64_t begin, int64_t end) {
    const auto dy = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(images_at_once(s) * out));
    for (int64_t slice = begin; slice < end; ++slice)
      dw.each_group(slice, [&](int64_t first, int64_t count) {
        const int64_t place = first * out;
        norm.through(count * pixels, n.y + place, n.dz + place, given(n.z, place), dy.get(), at(to.d_added, place));
        add_weights_gradient(s, values(x) + first * in, dy.get(), count, dw.sum(slice));
        if (to.dx) convolve(back, dy.get(), count, turned.data(), to.dx + first * in);
      });
  });
  dw.finish(to.dw);
}

struct Fused : torch::autograd::Function<Fused> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& w, const Tensor& gamma,
                        const Tensor& beta, const c10::optional<Tensor>& given, const ConvNorm* l) {
    const Tensor added = given.value_or(Tensor());  // an undefined tensor is no input
    const Convolved c = convolved_and_measured(x, *l);
    const Tensor& y = c.y;
    auto [z, mean, inverse] = normalized(c, *l, added, image_like(y));
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
    const Tensor d_gamma = at::empty_like(gamma), d_beta = at::empty_like(gamma), dw = at::empty_like(w);
    const Tensor d_added = ctx->saved_data["added"].toBool() ? image_like(y) : Tensor();
    const Tensor dx = ctx->needs_input_grad(0) ? image_like(x) : Tensor();
    const auto there = [](const Tensor& t) { return t.defined() ? values(t) : nullptr; };
    const Norm norm{values(saved[5]), values(saved[6]), values(gamma)};
    const Gradients to{values(d_gamma), values(d_beta), there(d_added), there(dx), values(dw)};
    if (const auto direct = direct_shape(shape, x, w); direct && slices(*direct, x.size(0)) == most_slices) {
      backward_in_groups(*direct, x, w, {values(y), values(dz), there(z), norm}, to);
    } else {
      const Tensor dy = image_like(y);
      norm_backward(rows_of(y), values(y), values(dz), there(z), norm, values(dy), to.d_gamma, to.d_beta, to.d_added);
      shape.backward_weights(x, dy, dw);
      if (dx.defined()) shape.backward_input(dy, w, dx);
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
  const Convolved c = convolved_and_measured(x, l);
  return normalized(c, l, added, c.y).z;  // in place: nobody needs y again
}

}  // namespace tacet
