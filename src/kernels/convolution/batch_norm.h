// Batch normalisation, or a bias alone, of channels-last values, followed by an addition and ReLU where asked for, in one
// pass for the moments and one for the values (three tensors are read or written instead of libtorch's nine). Sums run over
// fixed blocks of rows, so that results do not depend on the number of threads. No autograd here: that is conv_norm.h.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace tacet {

// n rows (positions of all images) of c channels. Sums run over blocks of `block` rows, the last one perhaps shorter.
struct Rows {
  int64_t n = 0, c = 0, block = 0;
};

// Returns the rows of images. Each image has whole blocks, which the first cache holds.
Rows rows_of_images(int64_t images, int64_t height, int64_t width, int64_t c);

// Calls f(first row, rows) for ranges of whole blocks, over the threads.
void each_range(Rows rows, const std::function<void(int64_t, int64_t)>& f);

// Mean and biased variance of each channel, from ranges of whole blocks that may be added at the same time, in any order.
class Moments {
 public:
  explicit Moments(Rows rows);
  // y: the values of the rows from `first`, a multiple of the block.
  void add(int64_t first, int64_t n, const float* y);
  void finish(float* mean, float* variance) const;  // [c]

 private:
  Rows rows_;
  std::vector<float> means_, squares_;  // each block's, around its own mean
};

// z = max(0, scale·y + shift + added); `added` null: nothing is added; relu false: no maximum.
void scale_shift(Rows rows, const float* y, const float* scale, const float* shift, const float* added, bool relu, float* z);

// The statistics that the forward pass used, and the weight γ.
struct Norm {
  const float *mean, *inverse_deviation, *weight;  // [c] each
};

// From dz and, where ReLU was taken, its result z (else null): the gradients of γ and β, then dy through the batch's own
// statistics and, unless null, the gradient of what was added. Ranges as those of Moments.
class NormBackward {
 public:
  NormBackward(Rows rows, const Norm& norm);
  void add(int64_t first, int64_t n, const float* y, const float* dz, const float* z);
  void finish(float* d_weight, float* d_bias);
  void through(int64_t n, const float* y, const float* dz, const float* z, float* dy, float* d_added) const;

 private:
  Rows rows_;
  Norm norm_;
  std::vector<float> sums_, products_;         // each block's
  std::vector<float> factor_, share_, slope_;  // dy = factor·(d − share − (y − mean)·slope)
  std::vector<float> ones_;                    // a block of results, where there was no ReLU
};
void norm_backward(Rows rows, const float* y, const float* dz, const float* z, const Norm& norm, float* dy, float* d_weight,
                   float* d_bias, float* d_added);

// Computes the gradients of z = max(0, y + bias) in one pass: dy = dz where z > 0, and the bias' gradient. A null z means no
// maximum; then dy is dz, and nothing is written to it.
void bias_backward(Rows rows, const float* dz, const float* z, float* dy, float* d_bias);

}  // namespace tacet
