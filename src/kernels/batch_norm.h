// Batch normalisation of channels-last values, followed by an addition and ReLU where asked for, in one pass for the moments
// and one for the values (three tensors are read or written instead of libtorch's nine). Sums run over fixed blocks of rows,
// so that results do not depend on the number of threads. No autograd here: that is conv_norm.h.
#pragma once

#include <cstdint>

namespace tacet {

// n rows (positions of all images) of c channels.
struct Rows {
  int64_t n = 0, c = 0;
};

// mean [c] and the biased variance [c] of each channel.
void channel_moments(Rows rows, const float* y, float* mean, float* variance);

// z = max(0, scale·y + shift + added); `added` null: nothing is added; relu false: no maximum.
void scale_shift(Rows rows, const float* y, const float* scale, const float* shift, const float* added, bool relu, float* z);

// The statistics that the forward pass used, and the weight γ.
struct Norm {
  const float *mean, *inverse_deviation, *weight;  // [c] each
};

// Given dz and, where ReLU was taken, its result z (else null): dy through the batch's own statistics, the gradients of γ
// and β, and, unless null, the gradient of what was added.
void norm_backward(Rows rows, const float* y, const float* dz, const float* z, const Norm& norm, float* dy, float* d_weight,
                   float* d_bias, float* d_added);

}  // namespace tacet
