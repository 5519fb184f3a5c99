// The parts of the differentiable units of residual networks: a convolution whose result is measured, its normalisation, and
// the way back through both. Autograd is not here but in conv_norm.h and basic_block.h.
#pragma once

#include <functional>
#include <vector>

#include "kernels/convolution/batch_norm.h"
#include "kernels/convolution/channels_last.h"
#include "kernels/convolution/conv_norm.h"
#include "kernels/convolution/convolution_winograd.h"

namespace tacet {

// Throws UserError where a batch has one value of a channel: such a batch has no unbiased variance.
void require_two_values(int64_t n);

// Returns true if the batch's own statistics serve.
bool by_batch(const ConvNorm& l);

// A convolution's result and the statistics that normalise it.
struct Convolved {
  at::Tensor y, mean, variance;
};

// The moments of images are taken while they are still in the cache, where the convolution allows it.
Convolved convolved_and_measured(const at::Tensor& x, const ConvNorm& l);

// Convolves images that are made a group at a time, measured by the batch's own statistics. group(first, images) returns
// them, and they are forgotten when it is called again from that thread. `like` is a tensor of as many images.
using Groups = std::function<const float*(int64_t first, int64_t images, float* room)>;
Convolved convolved_in_groups(const Conv3x3& s, const at::Tensor& like, const ConvNorm& l, const Groups& group);

// normalised = scale · y + shift.
struct Scaling {
  at::Tensor inverse;  // 1 / √(variance + ε)
  std::vector<float> scale, shift;
};
Scaling scaling_of(const Convolved& c, const ConvNorm& l);

// relu(normalised + added), written to z.
at::Tensor normalized(const Convolved& c, const Scaling& s, const at::Tensor& added, bool relu, const at::Tensor& z);

// A normalisation as the forward pass left it, and the gradient of its result.
struct Normed {
  const float *y, *dz, *z;
  Norm norm;
};

// The places for gradients; null: not wanted.
struct Gradients {
  float *d_gamma, *d_beta, *d_added, *dx, *dw;
};

// The gradient of the convolution's result is in a cache when both convolutions with it take it, and nowhere else.
void backward_in_groups(const Conv3x3& s, const at::Tensor& x, const at::Tensor& w, const Normed& n, const Gradients& to);

}  // namespace tacet
