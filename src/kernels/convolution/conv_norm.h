// Convolution, batch normalisation, addition and ReLU as one differentiable function: the unit that residual networks are
// made of. Images stay channels-last from one to the next.
#pragma once

#include <torch/types.h>

#include "kernels/convolution/convolution.h"

namespace tacet {

struct BatchNorm {
  torch::Tensor weight, bias;                    // [C]
  torch::Tensor running_mean, running_variance;  // [C]; both undefined: none are kept, the batch's own always serve
  double momentum = 0.1, epsilon = 1e-5;
};

struct ConvNorm {
  Convolution shape;
  torch::Tensor weight;  // [O, C, k, k]
  BatchNorm norm;
  bool training = true;  // normalise by the batch's statistics and let the running ones follow
  bool relu = true;
};

// y = relu(norm(conv(x)) + added); `added` undefined: nothing is added, else like the result. The fused path takes dense
// channels-last float32 images on the CPU, in training or where no gradient is asked for; all else takes the naive one.
torch::Tensor conv_norm(const torch::Tensor& x, const ConvNorm& layer, const torch::Tensor& added = {});
// The twin, in libtorch's operations and single or double precision; it does not round.
torch::Tensor conv_norm_naive(const torch::Tensor& x, const ConvNorm& layer, const torch::Tensor& added = {});

}  // namespace tacet
