// DropConnect (Wan et al., ICML 2013) on a matrix, as AWD-LSTM uses it on its recurrent ones: one pass over the weights
// draws, scales and drops. It keeps a byte for each weight for the gradient, not a mask of floats.
#pragma once

#include <ATen/core/Tensor.h>

#include "tacet/random.h"

namespace tacet {

// w with each element zeroed with probability p, 0 ≤ p < 1, and the others scaled by 1/(1−p); the draws are
// draw.fill_bernoulli's of w's elements in order. Contiguous float32 on the CPU; all else takes the naive twin.
at::Tensor weight_drop(const at::Tensor& w, double p, const Stream& draw);
// The naive twin of equal bits: a mask of floats, and libtorch's product.
at::Tensor weight_drop_naive(const at::Tensor& w, double p, const Stream& draw);

}  // namespace tacet
