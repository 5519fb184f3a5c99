// The operations of residual networks between convolutions. They keep channels-last images in their order both ways;
// libtorch's gradients of these are in the other order and cost a copy each.
#pragma once

#include <torch/types.h>

namespace tacet {

// x [B, C, H, W] at every `stride`th row and column, with `more` maps of zeros, half of them in front (option A of residual
// networks): [B, C + more, ⌈H / stride⌉, ⌈W / stride⌉].
torch::Tensor subsample_and_pad(const torch::Tensor& x, int64_t stride, int64_t more);

// The mean over positions of x [B, C, H, W]: [B, C].
torch::Tensor mean_of_positions(const torch::Tensor& x);

}  // namespace tacet
