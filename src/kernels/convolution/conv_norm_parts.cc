// See conv_norm_parts.h.
#include "kernels/convolution/conv_norm_parts.h"

#include <cmath>
#include <memory>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "tacet/error.h"

namespace tacet {

using torch::Tensor;

namespace {

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

Convolved finished(const Tensor& y, const ConvNorm& l, const Moments& moments) {
  const Tensor mean = at::empty({y.size(1)}), variance = at::empty({y.size(1)});
  if (l.training) require_two_values(rows_of(y).n);
  moments.finish(values(mean), values(variance));
  if (l.training && l.norm.running_mean.defined()) follow(l.norm, rows_of(y).n, mean, variance);
  return {y, mean, variance};
}

}  // namespace

void require_two_values(int64_t n) {
  if (n < 2)
    throw UserError(
        "batch normalisation must have more than one value of each channel in training, got one: raise "
        "data.batch_size");
}

bool by_batch(const ConvNorm& l) { return l.training || !l.norm.running_mean.defined(); }

Convolved convolved_in_groups(const Conv3x3& s, const Tensor& like, const ConvNorm& l, const Groups& group) {
  const Tensor y = image(like, s.out, s.height, s.width);
  const Rows rows = rows_of(y);
  Moments moments(rows);
  const int64_t pixels = s.height * s.width;
  const WinogradWeights weights(s, l.weight, /*turned=*/false);
  each_group(s, y.size(0), [&](int64_t first, int64_t images, float* room) {
    float* const to = values(y) + first * pixels * s.out;
    convolve(s, group(first, images, room), images, weights.data(), to, /*add=*/false);
    moments.add(first * pixels, images * pixels, to);
  });
  return finished(y, l, moments);
}

Convolved convolved_and_measured(const Tensor& x, const ConvNorm& l) {
  if (!by_batch(l)) return {convolved(x, l.weight, l.shape), l.norm.running_mean, l.norm.running_variance};
  if (const auto s = winograd_shape(l.shape, x, l.weight))
    return convolved_in_groups(
        *s, x, l, [&](int64_t first, int64_t, float*) { return values(x) + first * x.size(1) * x.size(2) * x.size(3); });
  const Tensor y = convolved(x, l.weight, l.shape);
  const Rows rows = rows_of(y);
  Moments moments(rows);
  each_range(rows, [&](int64_t first, int64_t n) { moments.add(first, n, values(y) + first * rows.c); });
  return finished(y, l, moments);
}

Scaling scaling_of(const Convolved& c, const ConvNorm& l) {
  Scaling s{at::empty({c.mean.numel()}), std::vector<float>(static_cast<size_t>(c.mean.numel())), {}};
  s.shift = s.scale;
  for (size_t k = 0; k < s.scale.size(); ++k) {
    values(s.inverse)[k] = static_cast<float>(1 / std::sqrt(static_cast<double>(values(c.variance)[k]) + l.norm.epsilon));
    s.scale[k] = values(l.norm.weight)[k] * values(s.inverse)[k];
    s.shift[k] = values(l.norm.bias)[k] - values(c.mean)[k] * s.scale[k];
  }
  return s;
}

Tensor normalized(const Convolved& c, const Scaling& s, const Tensor& added, bool relu, const Tensor& z) {
  scale_shift(rows_of(c.y), values(c.y), s.scale.data(), s.shift.data(), added.defined() ? values(added) : nullptr, relu,
              values(z));
  return z;
}

// The gradient of the convolution's result is in a cache when both convolutions with it take it, and nowhere else.
void backward_in_groups(const Conv3x3& s, const Tensor& x, const Tensor& w, const Normed& n, const Gradients& to) {
  const int64_t pixels = s.height * s.width, in = pixels * s.in, out = pixels * s.out, images = x.size(0);
  const auto at = [](float* t, int64_t place) { return t ? t + place : nullptr; };
  const auto given = [](const float* t, int64_t place) { return t ? t + place : nullptr; };
  NormBackward norm(rows_of_images(images, s.height, s.width, s.out), n.norm);
  each_group(s, images, [&](int64_t first, int64_t count, float*) {
    const int64_t place = first * out;
    norm.add(first * pixels, count * pixels, n.y + place, n.dz + place, given(n.z, place));
  });
  norm.finish(to.d_gamma, to.d_beta);
  const WinogradWeights turned(s, w, /*turned=*/true);
  const Conv3x3 back = s.turned();
  SlicedGradient dw(s, images);
  at::parallel_for(0, dw.slices(), 1, [&](int64_t begin, int64_t end) {
    const auto dy = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(images_at_once(s) * out));
    for (int64_t slice = begin; slice < end; ++slice)
      dw.each_group(slice, [&](int64_t first, int64_t count) {
        const int64_t place = first * out;
        norm.through(count * pixels, n.y + place, n.dz + place, given(n.z, place), dy.get(), at(to.d_added, place));
        add_weights_gradient(s, values(x) + first * in, dy.get(), count, 0, s.out, dw.sum(slice));
        if (to.dx) convolve(back, dy.get(), count, turned.data(), to.dx + first * in, /*add=*/false);
      });
  });
  dw.finish(to.dw);
}

}  // namespace tacet
