// 3 × 3 convolutions with stride 1 and padding 1, the bulk of residual networks, on whole channels-last images: own kernels
// for AVX-512. Each value that is read is multiplied with the three weights of a line of the kernel, so that the processor's
// multipliers wait for nothing. They are at least as fast as oneDNN's and, being serial, can be called on a few images at a
// time: a caller spreads images over threads, and does what it likes with those that a call has left in the cache. Beside
// its naive twin, libtorch's convolution.
#pragma once

#include <cstdint>

namespace tacet {

// Images [height, width, in] → [height, width, out].
struct Direct {
  int64_t height = 0, width = 0, in = 0, out = 0;

  // Whether there are kernels for this shape and processor: AVX-512, maps in multiples of 16, a width that is a multiple of
  // 8 or of 7.
  bool fits() const;
  int64_t weights() const { return 9 * in * out; }
};

// Weights [out, in, 3, 3] in the order that convolve takes, s.weights() floats: as they are, or turned round with `in` and
// `out` exchanged, which is what the gradient of the images is convolved with.
void pack_weights(const Direct& s, const float* w, float* packed);
void pack_turned_weights(const Direct& s, const float* w, float* packed);

// y [images, height, width, out] = the convolution of x [images, height, width, in], or y += it.
void convolve(const Direct& s, const float* x, int64_t images, const float* packed, float* y, bool add);

// Adds the gradient of the weights to `sum`, s.weights() floats in an order of their own, or only that of a part: the
// 8 · 16 · 3 weights with number `piece` < pieces(s). Different pieces may be computed at the same time.
int64_t pieces(const Direct& s);
void add_weights_gradient(const Direct& s, const float* x, const float* dy, int64_t images, float* sum);
void add_weights_gradient(const Direct& s, const float* x, const float* dy, int64_t images, int64_t piece, float* sum);
// dw [out, in, 3, 3], the total of `count` such sums that lie one behind the other.
void unpack_gradient(const Direct& s, const float* sums, int64_t count, float* dw);

}  // namespace tacet
