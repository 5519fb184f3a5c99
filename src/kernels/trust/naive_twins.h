// Products and convolutions by plain loops in double precision, which kernels are compared with. Slow, and used for nothing
// else.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace tacet {

// Returns numbers between −1 and 1 that look random and are a function of `seed` alone.
at::Tensor plain_numbers(at::IntArrayRef sizes, uint64_t seed);

// Returns a [m, k] · b [k, n], in doubles.
at::Tensor naive_product(const at::Tensor& a, const at::Tensor& b);

// A convolution's result and gradients, in doubles.
struct NaiveConvolution {
  at::Tensor y, dx, dw;
};
// x [B, C, H, W], w [O, C, k, k], dy [B, O, H', W'].
NaiveConvolution naive_convolution(const at::Tensor& x, const at::Tensor& w, const at::Tensor& dy, int64_t stride,
                                   int64_t padding);

}  // namespace tacet
