// Convolutions of channels-last images and their derivatives, written into tensors that the caller gives. Weights stay where
// the flat parameter vector has them, [out, in, kernel, kernel]; the library's own order of them is made on the way, images
// are never reordered. No autograd here: that is conv_norm.h.
#pragma once

#include <ATen/core/Tensor.h>

#include "tacet/precision.h"

namespace tacet {

// Returns true if this build has them (oneDNN) and they were not found to be wrong (trust/kernel_check.h). Without oneDNN,
// the functions below throw std::logic_error.
bool fast_convolutions();

// A convolution in float32. x [B, C, H, W] and y [B, O, H', W'] are dense channels-last, w [O, C, k, k] is contiguous.
// Padding is equal on all sides. In bf16 the two factors of each of the three products are rounded; sums and results are
// float32.
struct Convolution {
  int64_t stride = 1, padding = 0;
  Precision precision = Precision::f32;
  // Returns the precision for x, w and y of these shapes. It is `precision`, or f32 where bf16 has no fast way on this
  // processor, or no correct one (1 × 1 with an odd number of maps).
  Precision taken(const at::Tensor& x, const at::Tensor& w, const at::Tensor& y) const;
  void forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& y) const;
  void backward_input(const at::Tensor& dy, const at::Tensor& w, const at::Tensor& dx) const;
  void backward_weights(const at::Tensor& x, const at::Tensor& dy, const at::Tensor& dw) const;
};

}  // namespace tacet
