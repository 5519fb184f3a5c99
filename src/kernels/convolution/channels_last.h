// The parts that differentiable layers on channels-last images share: making such images, reading their values, and the
// choice of the fused paths.
#pragma once

#include <vector>

#include <torch/types.h>

#include "kernels/convolution/batch_norm.h"
#include "kernels/convolution/convolution.h"

namespace tacet {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

// [x's B, maps, height, width], dense channels-last, not filled.
inline torch::Tensor image(const torch::Tensor& x, int64_t maps, int64_t height, int64_t width) {
  return at::empty({x.size(0), maps, height, width}, x.options().memory_format(kLast));
}

inline torch::Tensor image_like(const torch::Tensor& x) { return image(x, x.size(1), x.size(2), x.size(3)); }

inline Rows rows_of(const torch::Tensor& y) { return rows_of_images(y.size(0), y.size(2), y.size(3), y.size(1)); }

inline float* values(const torch::Tensor& t) { return t.data_ptr<float>(); }

inline torch::Tensor convolved(const torch::Tensor& x, const torch::Tensor& weight, const Convolution& shape) {
  const auto side = [&](int64_t size) { return (size + 2 * shape.padding - weight.size(2)) / shape.stride + 1; };
  torch::Tensor y = image(x, weight.size(0), side(x.size(2)), side(x.size(3)));
  shape.forward(x, weight, y);
  return y;
}

// Undefined, or a dense channels-last float32 image on the CPU.
inline bool fits(const torch::Tensor& x) {
  return !x.defined() || (x.scalar_type() == at::kFloat && x.device().is_cpu() && x.dim() == 4 && x.is_contiguous(kLast));
}

// A convolution's settings among what an autograd function saves, and back.
inline std::vector<int64_t> saved(const Convolution& c) { return {c.stride, c.padding, static_cast<int64_t>(c.precision)}; }
inline Convolution restored(const c10::IValue& value) {
  const auto kept = value.toIntVector();
  return {kept[0], kept[1], static_cast<Precision>(kept[2])};
}

// Returns true if the fused paths take these.
inline bool takes_fused(const torch::Tensor& x, const torch::Tensor& weight) {
  return fast_convolutions() && fits(x) && weight.scalar_type() == at::kFloat && weight.is_contiguous() &&
         weight.size(2) == weight.size(3);
}

}  // namespace tacet
