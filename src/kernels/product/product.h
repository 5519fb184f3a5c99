// Matrix products at the speed of oneDNN, on plain tensors without gradients: product_onednn.cc, or product_libtorch.cc
// where oneDNN is missing. Differentiable layers are built on these, in linear.h and recurrent.h.
#pragma once

#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "tacet/precision.h"

namespace tacet {

// Returns true if products here are faster than libtorch's: in a build with oneDNN, unless they were found to be wrong
// (trust/kernel_check.h).
bool fast_products();

// Returns true if this build and machine multiply bfloat16 numbers in hardware. Constant in a process.
bool bf16_products();

// Returns the version of oneDNN that tacet calls, "2.6.3"; empty in a build without it.
std::string onednn_version();

// Computes y = a · b, or y += a · b. a [M, K] and b [K, N] have contiguous rows or columns, y [M, N] contiguous rows. All
// are f32 and on the CPU. Equal shapes, strides, values and threads give equal bits. Where products in bf16 are refused, f32
// products of rounded factors take their place.
void product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& y, bool add, Precision precision);

// A right factor b [K, N] that many products share, brought into the order that suits them once. Products of one
// SharedFactor are made by one thread at a time.
class SharedFactor {
 public:
  // rows: the most rows that a left factor will have.
  SharedFactor(const at::Tensor& b, int64_t rows, Precision precision);
  ~SharedFactor();

  // y [rows, N] = a [rows, K] · b, or y += a · b; a and y contiguous.
  void multiply(const float* a, int64_t rows, float* y, bool add) const;

 private:
  struct Packed;
  std::unique_ptr<Packed> packed_;
};

}  // namespace tacet
