// Affine maps and the cross-entropy of a vocabulary's scores, differentiable, on product.h where fast_products() and the
// numbers are f32 on the CPU, else on libtorch, the naive twin. Not differentiable twice.
#pragma once

#include "tacet/precision.h"

#include <ATen/core/Tensor.h>

namespace tacet {

// x [..., in], weight [out, in], bias [out] or undefined → x · weightᵀ + bias, [..., out].
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  Precision precision = Precision::f32);

// Mean over N of −log softmax(x · weightᵀ + bias)[target]: x [N, E], weight [V, E], bias [V] or undefined, target [N] int64
// in [0, V). Scores are made, and turned into their gradients, a few hundred rows at a time, so that they never all lie in
// memory.
at::Tensor linear_cross_entropy(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                const at::Tensor& target, Precision precision = Precision::f32);
at::Tensor linear_cross_entropy_libtorch(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                         const at::Tensor& target);

}  // namespace tacet
