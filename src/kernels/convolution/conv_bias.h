// Convolution, bias and, where asked for, ReLU as one differentiable function: the unit of plain convolutional networks.
// Images stay channels-last from one to the next.
#pragma once

#include <torch/types.h>

#include "kernels/convolution/convolution.h"

namespace tacet {

struct ConvBias {
  Convolution shape;
  torch::Tensor weight;  // [O, C, k, k]
  torch::Tensor bias;    // [O]
  bool relu = false;
};

// y = relu(conv(x) + bias). The fused path takes dense channels-last float32 images on the CPU; all else takes the naive
// one.
torch::Tensor conv_bias(const torch::Tensor& x, const ConvBias& layer);
// The twin, in libtorch's operations and single or double precision; it does not round.
torch::Tensor conv_bias_naive(const torch::Tensor& x, const ConvBias& layer);

}  // namespace tacet
