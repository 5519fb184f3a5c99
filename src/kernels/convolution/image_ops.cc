// See image_ops.h.
#include "kernels/convolution/image_ops.h"

#include <vector>

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

namespace tacet {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor every(const Tensor& x, int64_t stride) { return x.slice(2, 0, x.size(2), stride).slice(3, 0, x.size(3), stride); }

Tensor empty(const Tensor& like, at::IntArrayRef sizes) {
  return at::empty(sizes, like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

struct SubsampleAndPad : torch::autograd::Function<SubsampleAndPad> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, int64_t stride, int64_t more) {
    ctx->saved_data["sizes"] = x.sizes().vec();
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["front"] = more / 2;
    const Tensor taken = every(x, stride);
    Tensor y = empty(x, {x.size(0), x.size(1) + more, taken.size(2), taken.size(3)}).zero_();
    y.narrow(1, more / 2, x.size(1)).copy_(taken);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const std::vector<int64_t> sizes = ctx->saved_data["sizes"].toIntVector();
    Tensor dx = empty(grads[0], sizes).zero_();
    every(dx, ctx->saved_data["stride"].toInt()).copy_(grads[0].narrow(1, ctx->saved_data["front"].toInt(), sizes[1]));
    return {dx, Tensor(), Tensor()};
  }
};

struct MeanOfPositions : torch::autograd::Function<MeanOfPositions> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    ctx->saved_data["sizes"] = x.sizes().vec();
    return x.mean({2, 3});
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const std::vector<int64_t> sizes = ctx->saved_data["sizes"].toIntVector();
    const Tensor each = grads[0] / static_cast<double>(sizes[2] * sizes[3]);
    Tensor dx = empty(grads[0], sizes);
    dx.copy_(each.unsqueeze(2).unsqueeze(3));
    return {dx};
  }
};

}  // namespace

Tensor subsample_and_pad(const Tensor& x, int64_t stride, int64_t more) { return SubsampleAndPad::apply(x, stride, more); }

Tensor mean_of_positions(const Tensor& x) { return MeanOfPositions::apply(x); }

}  // namespace tacet
