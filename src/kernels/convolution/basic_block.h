// The basic block of residual networks around an identity, two convolutions with their normalisation, as one differentiable
// function. Beside conv_norm of conv_norm, which is its naive twin, it saves memory's time: what lies between the two is
// made from the first convolution's result, where it is needed and a few images at a time, and is never written.
#pragma once

#include "kernels/convolution/conv_norm.h"

namespace tacet {

// relu(second(relu(first(x))) + x). The fused path takes what that of conv_norm takes, in training, where
// winograd.h has kernels for both convolutions and they are small; all else is made of conv_norm.
torch::Tensor basic_block(const torch::Tensor& x, const ConvNorm& first, const ConvNorm& second);

}  // namespace tacet
