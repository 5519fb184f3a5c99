// 3 × 3 convolutions with stride 1 and padding 1, the bulk of residual networks, on whole channels-last images, by
// Winograd's minimal filtering F(2 × 2, 3 × 3) (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016):
// tiles of 2 × 2 results cost 16 multiplications a map instead of 36. Own kernels for AVX-512. Being serial, they can be
// called on a few images at a time: a caller spreads images over threads, and does what it likes with those that a call has
// left in the cache. Beside their naive twin, libtorch's convolution; results are as exact, up to a few roundings.
#pragma once

#include <cstdint>

namespace tacet {

// Images [height, width, in] → [height, width, out].
struct Conv3x3 {
  int64_t height = 0, width = 0, in = 0, out = 0;

  // Returns true if there are kernels for this shape and processor: AVX-512, maps in multiples of 16.
  bool fits() const;
  int64_t weights() const { return 16 * in * out; }  // floats that `convolve` takes
  Conv3x3 turned() const { return {height, width, out, in}; }
};

// The weights [out, in, 3, 3] of `s`, transformed: s.weights() floats for `convolve`. For s, those of the result's maps
// `from` to `to`, multiples of 16; turned: for s.turned(), whose convolution of a gradient of results gives that of the
// images.
void pack_weights(const Conv3x3& s, const float* w, int64_t from, int64_t to, float* packed);
void pack_turned_weights(const Conv3x3& s, const float* w, int64_t from, int64_t to, float* packed);

// y [images, height, width, out] = the convolution of x [images, height, width, in], or y += it.
void convolve(const Conv3x3& s, const float* x, int64_t images, const float* packed, float* y, bool add);

// Adds the gradient of the weights of the result's maps `from` to `to`, multiples of 16, to `sum`: s.weights() floats,
// transformed. Different maps may be computed at the same time.
void add_weights_gradient(const Conv3x3& s, const float* x, const float* dy, int64_t images, int64_t from, int64_t to,
                          float* sum);
// dw [out, in, 3, 3], of the result's maps `from` to `to`: the total of `count` such sums that lie one behind the other.
void unpack_gradient(const Conv3x3& s, const float* sums, int64_t count, int64_t from, int64_t to, float* dw);

}  // namespace tacet
