// convolution.h's functions on the own kernels of direct_convolution.h, images spread over threads. Each returns false, and
// does nothing, where these have no kernel for the shape. Sums over images run in slices of the batch that depend on its
// size only, so that results do not depend on the number of threads.
#pragma once

#include <optional>

#include "kernels/convolution.h"
#include "kernels/direct_convolution.h"

namespace tacet {

// The shape's kernels, if there are some; w [O, C, k, k], x the convolution's input.
std::optional<Direct> direct_shape(const Convolution& c, const at::Tensor& x, const at::Tensor& w);

// In how many slices a batch's weights' gradient is summed up: as many as a few megabytes hold, at most 16.
int64_t slices(const Direct& s, int64_t images);
// Images whose values the second cache holds beside what is computed from them.
int64_t images_at_once(const Direct& s);

bool direct_forward(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& y);
bool direct_backward_input(const Convolution& c, const at::Tensor& dy, const at::Tensor& w, const at::Tensor& dx);
bool direct_backward_weights(const Convolution& c, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& dw);

}  // namespace tacet
