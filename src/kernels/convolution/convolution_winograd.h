// convolution.h's functions on the kernels of winograd.h, images spread over threads. Each returns false, and
// does nothing, where these have no kernel for the shape. Sums over images run in slices of the batch that depend on its
// size only, so that results do not depend on the number of threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/convolution/convolution.h"
#include "kernels/convolution/winograd.h"

namespace tacet {

// The shape's kernels, if there are some; w [O, C, k, k], x the convolution's input.
std::optional<Conv3x3> winograd_shape(const Convolution& c, const at::Tensor& x, const at::Tensor& w);

// Weights in the order that convolve takes.
class WinogradWeights {
 public:
  WinogradWeights(const Conv3x3& s, const at::Tensor& w, bool turned);
  const float* data() const { return packed_.get(); }

 private:
  std::unique_ptr<float[]> packed_;
};

// Images whose values the second cache holds beside what is computed from them.
int64_t images_at_once(const Conv3x3& s);
// f(first image, images, room) for groups of so many, over the threads. room: for the values of a group, as many as the
// larger of its two images has.
void each_group(const Conv3x3& s, int64_t images, const std::function<void(int64_t, int64_t, float*)>& f);

// Returns true if a batch may be cut into 8 slices, each with a sum of its own for the gradient of the weights.
bool few_weights(const Conv3x3& s);

// The gradient of the weights, summed up in slices of a batch that may be computed at the same time: 8, or as many as a few
// megabytes hold.
class SlicedGradient {
 public:
  SlicedGradient(const Conv3x3& s, int64_t images);
  int64_t slices() const { return count_; }
  float* sum(int64_t slice) { return sums_.data() + slice * shape_.weights(); }
  // f(first image, images) for the groups of a slice.
  void each_group(int64_t slice, const std::function<void(int64_t, int64_t)>& f) const;
  void finish(float* dw) const;  // [out, in, 3, 3]

 private:
  Conv3x3 shape_;
  int64_t images_, count_;
  std::vector<float> sums_;
};

bool winograd_forward(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& y);
bool winograd_backward_input(const Convolution& c, const at::Tensor& dy, const at::Tensor& w, const at::Tensor& dx);
bool winograd_backward_weights(const Convolution& c, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& dw);

}  // namespace tacet
