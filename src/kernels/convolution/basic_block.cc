// See basic_block.h. Below, 1 and 2 are the two convolutions; y what one gives, z what its normalisation makes of it.
#include "kernels/convolution/basic_block.h"

#include <memory>

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "kernels/convolution/conv_norm_parts.h"

namespace tacet {
namespace {

using torch::Tensor;

// Both convolutions': a block around an identity keeps its maps.
Conv3x3 conv_shape(const Tensor& x, const Tensor& w) { return {x.size(2), x.size(3), w.size(1), w.size(0)}; }

struct FusedBlock : torch::autograd::Function<FusedBlock> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& w1, const Tensor& gamma1,
                        const Tensor& beta1, const Tensor& w2, const Tensor& gamma2, const Tensor& beta2, const ConvNorm* l1,
                        const ConvNorm* l2) {
    const Convolved c1 = convolved_and_measured(x, *l1);
    const Scaling s1 = scaling_of(c1, *l1);
    const Conv3x3 shape2 = conv_shape(c1.y, w2);
    const int64_t pixels = x.size(2) * x.size(3), width = pixels * shape2.in;
    const Rows rows = rows_of(c1.y);
    const Convolved c2 = convolved_in_groups(shape2, x, *l2, [&](int64_t first, int64_t images, float* z1) {
      scale_shift({images * pixels, rows.c, rows.block}, values(c1.y) + first * width, s1.scale.data(), s1.shift.data(),
                  nullptr,
                  /*relu=*/true, z1);
      return z1;
    });
    const Scaling s2 = scaling_of(c2, *l2);
    const Tensor z2 = normalized(c2, s2, x, /*relu=*/true, image_like(c2.y));
    ctx->save_for_backward({x, w1, gamma1, beta1, c1.y, c1.mean, s1.inverse, w2, gamma2, c2.y, c2.mean, s2.inverse, z2});
    return z2;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto kept = ctx->get_saved_variables();
    const Tensor &x = kept[0], &w1 = kept[1], &gamma1 = kept[2], &beta1 = kept[3], &y1 = kept[4], &mean1 = kept[5],
                 &inverse1 = kept[6], &w2 = kept[7], &gamma2 = kept[8], &y2 = kept[9], &mean2 = kept[10],
                 &inverse2 = kept[11], &z2 = kept[12];
    const Tensor dz2 = grads[0].contiguous(kLast);  // already so, unless another operation stands behind
    const Conv3x3 shape1 = conv_shape(x, w1), shape2 = conv_shape(y1, w2);
    const Conv3x3 back1 = shape1.turned(), back2 = shape2.turned();
    const int64_t images = x.size(0), pixels = x.size(2) * x.size(3), in = pixels * shape1.in, width = pixels * shape2.in;
    const Rows rows = rows_of(y1), rows2 = rows_of(y2);
    std::vector<float> scale(static_cast<size_t>(rows.c)), shift(scale.size());
    for (size_t k = 0; k < scale.size(); ++k) {
      scale[k] = values(gamma1)[k] * values(inverse1)[k];
      shift[k] = values(beta1)[k] - values(mean1)[k] * scale[k];
    }
    const auto make_z1 = [&](int64_t first, int64_t count, float* z1) {
      scale_shift({count * pixels, rows.c, rows.block}, values(y1) + first * width, scale.data(), shift.data(), nullptr,
                  /*relu=*/true, z1);
    };
    // f(first image, images, its slice's number, room for two groups of images)
    const auto in_slices = [&](SlicedGradient& dw, const auto& f) {
      at::parallel_for(0, dw.slices(), 1, [&](int64_t begin, int64_t end) {
        const auto room = static_cast<size_t>(images_at_once(shape2) * width);
        const auto a = std::make_unique_for_overwrite<float[]>(room), b = std::make_unique_for_overwrite<float[]>(room);
        for (int64_t slice = begin; slice < end; ++slice)
          dw.each_group(slice, [&](int64_t first, int64_t count) { f(first, count, slice, a.get(), b.get()); });
      });
    };

    const Tensor dx = image_like(x), dz1 = image_like(y1);
    const Tensor d_gamma1 = at::empty_like(gamma1), d_beta1 = at::empty_like(gamma1), dw1 = at::empty_like(w1);
    const Tensor d_gamma2 = at::empty_like(gamma2), d_beta2 = at::empty_like(gamma2), dw2 = at::empty_like(w2);
    NormBackward norm2(rows2, {values(mean2), values(inverse2), values(gamma2)});
    each_range(rows2, [&](int64_t first, int64_t n) {
      const int64_t at = first * rows2.c;
      norm2.add(first, n, values(y2) + at, values(dz2) + at, values(z2) + at);
    });
    norm2.finish(values(d_gamma2), values(d_beta2));

    // The identity's gradient waits in dx for that of the first convolution.
    NormBackward norm1(rows, {values(mean1), values(inverse1), values(gamma1)});
    SlicedGradient sums2(shape2, images);
    const WinogradWeights turned2(shape2, w2, /*turned=*/true);
    in_slices(sums2, [&](int64_t first, int64_t count, int64_t slice, float* z1, float* dy2) {
      const int64_t at = first * in, between = first * width;
      norm2.through(count * pixels, values(y2) + at, values(dz2) + at, values(z2) + at, dy2, values(dx) + at);
      make_z1(first, count, z1);
      add_weights_gradient(shape2, z1, dy2, count, 0, shape2.out, sums2.sum(slice));
      convolve(back2, dy2, count, turned2.data(), values(dz1) + between, /*add=*/false);
      norm1.add(first * pixels, count * pixels, values(y1) + between, values(dz1) + between, z1);
    });
    sums2.finish(values(dw2));
    norm1.finish(values(d_gamma1), values(d_beta1));

    SlicedGradient sums1(shape1, images);
    const WinogradWeights turned1(shape1, w1, /*turned=*/true);
    in_slices(sums1, [&](int64_t first, int64_t count, int64_t slice, float* z1, float* dy1) {
      const int64_t between = first * width;
      make_z1(first, count, z1);
      norm1.through(count * pixels, values(y1) + between, values(dz1) + between, z1, dy1, nullptr);
      add_weights_gradient(shape1, values(x) + first * in, dy1, count, 0, shape1.out, sums1.sum(slice));
      convolve(back1, dy1, count, turned1.data(), values(dx) + first * in, /*add=*/true);
    });
    sums1.finish(values(dw1));
    return {dx, dw1, d_gamma1, d_beta1, dw2, d_gamma2, d_beta2, Tensor(), Tensor()};
  }
};

bool fused(const Tensor& x, const ConvNorm& l) {
  const auto shape = winograd_shape(l.shape, x, l.weight);
  return shape && shape->in == shape->out && few_weights(*shape) && l.relu && by_batch(l) && l.weight.is_contiguous();
}

}  // namespace

Tensor basic_block(const Tensor& x, const ConvNorm& first, const ConvNorm& second) {
  if (!takes_fused(x, first.weight) || !torch::GradMode::is_enabled() || !fused(x, first) || !fused(x, second))
    return conv_norm(conv_norm(x, first), second, x);
  return FusedBlock::apply(x, first.weight, first.norm.weight, first.norm.bias, second.weight, second.norm.weight,
                           second.norm.bias, &first, &second);
}

}  // namespace tacet
