// See direct_convolution.h.
#include "kernels/direct_convolution.h"

#include <algorithm>
#include <cassert>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tacet {
namespace {

constexpr int64_t lanes = 16;  // maps of a result at a time, one register
constexpr int64_t block = 8;   // maps of an image that a piece of the weights' gradient takes
constexpr int64_t line = 3 * lanes;

}  // namespace

#if defined(__x86_64__)
namespace {

// Where a segment of a row begins and ends: the kernel reaches over the image's edge there.
enum class Edge { none, left, right, both };

// One segment of R rows of P pixels. x: the segment's first input pixel; row: from one row to the next; the kernel's lines
// from `first` to `last` are inside of the image.
template <int R, int P, Edge edge>
[[gnu::target("avx512f")]] void segment(const float* x, int64_t in, int64_t row, int first, int last, const float* w,
                                        float* y, int64_t out, int64_t out_row, bool add) {
  constexpr bool left = edge == Edge::left || edge == Edge::both, right = edge == Edge::right || edge == Edge::both;
  __m512 sum[R][P];
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) sum[r][p] = add ? _mm512_loadu_ps(y + r * out_row + p * out) : _mm512_setzero_ps();
  for (int kernel_line = first; kernel_line <= last; ++kernel_line) {
    const float* from = x + (kernel_line - 1) * row;
    const float* weights = w + kernel_line * in * line;
    for (int64_t c = 0; c < in; ++c, ++from, weights += line) {
      const __m512 w0 = _mm512_loadu_ps(weights), w1 = _mm512_loadu_ps(weights + 16), w2 = _mm512_loadu_ps(weights + 32);
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 18
        for (int p = left ? 0 : -1; p <= (right ? P - 1 : P); ++p) {
          const __m512 v = _mm512_set1_ps(from[r * row + p * in]);
          if (p + 1 < P) sum[r][p + 1] = _mm512_fmadd_ps(v, w0, sum[r][p + 1]);
          if (p >= 0 && p < P) sum[r][p] = _mm512_fmadd_ps(v, w1, sum[r][p]);
          if (p > 0) sum[r][p - 1] = _mm512_fmadd_ps(v, w2, sum[r][p - 1]);
        }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) _mm512_storeu_ps(y + r * out_row + p * out, sum[r][p]);
}

// R rows of an image, `width` a multiple of P.
template <int R, int P>
void rows_of_image(const Direct& s, const float* x, int first, int last, const float* w, float* y, bool add) {
  const int64_t row = s.width * s.in, out_row = s.width * s.out, step = P;
  if (s.width == P) return segment<R, P, Edge::both>(x, s.in, row, first, last, w, y, s.out, out_row, add);
  segment<R, P, Edge::left>(x, s.in, row, first, last, w, y, s.out, out_row, add);
  int64_t p = step;
  for (; p + step < s.width; p += step)
    segment<R, P, Edge::none>(x + p * s.in, s.in, row, first, last, w, y + p * s.out, s.out, out_row, add);
  segment<R, P, Edge::right>(x + p * s.in, s.in, row, first, last, w, y + p * s.out, s.out, out_row, add);
}

// 16 maps of an image; the first and the last row miss a line of the kernel.
template <int R, int P>
void image(const Direct& s, const float* x, const float* w, float* y, bool add) {
  for (int64_t r = 0; r < s.height;) {
    const float* const from = x + r * s.width * s.in;
    float* const to = y + r * s.width * s.out;
    if (r > 0 && r + R < s.height) {
      rows_of_image<R, P>(s, from, 0, 2, w, to, add);
      r += R;
    } else {
      rows_of_image<1, P>(s, from, r == 0 ? 1 : 0, r + 1 == s.height ? 1 : 2, w, to, add);
      ++r;
    }
  }
}

// The gradient of the weights of 8 input maps and 16 output maps in one line of the kernel, added to sum [8, 3, 16].
[[gnu::target("avx512f")]] void add_piece(const Direct& s, const float* x, const float* dy, int64_t images, int kernel_line,
                                          float* sum) {
  __m512 total[block][3];
#pragma GCC unroll 8
  for (int i = 0; i < block; ++i)
#pragma GCC unroll 3
    for (int k = 0; k < 3; ++k) total[i][k] = _mm512_loadu_ps(sum + (i * 3 + k) * lanes);
  const int64_t first = kernel_line == 0 ? 1 : 0, last = kernel_line == 2 ? s.height - 1 : s.height;
  for (int64_t n = 0; n < images; ++n)
    for (int64_t r = first; r < last; ++r) {
      const float* from = x + (n * s.height + r + kernel_line - 1) * s.width * s.in;
      const float* d = dy + (n * s.height + r) * s.width * s.out;
      __m512 before = _mm512_setzero_ps(), here = _mm512_loadu_ps(d);
      for (int64_t p = 0; p < s.width; ++p, from += s.in) {
        d += s.out;
        const __m512 after = p + 1 < s.width ? _mm512_loadu_ps(d) : _mm512_setzero_ps();
#pragma GCC unroll 8
        for (int i = 0; i < block; ++i) {
          const __m512 v = _mm512_set1_ps(from[i]);
          total[i][0] = _mm512_fmadd_ps(v, after, total[i][0]);
          total[i][1] = _mm512_fmadd_ps(v, here, total[i][1]);
          total[i][2] = _mm512_fmadd_ps(v, before, total[i][2]);
        }
        before = here;
        here = after;
      }
    }
#pragma GCC unroll 8
  for (int i = 0; i < block; ++i)
#pragma GCC unroll 3
    for (int k = 0; k < 3; ++k) _mm512_storeu_ps(sum + (i * 3 + k) * lanes, total[i][k]);
}

}  // namespace

bool Direct::fits() const {
  static const bool wide = __builtin_cpu_supports("avx512f");
  return wide && in % lanes == 0 && out % lanes == 0 && (width % 8 == 0 || width % 7 == 0) && width > 0 && height > 0;
}

void convolve(const Direct& s, const float* x, int64_t images, const float* packed, float* y, bool add) {
  assert(s.fits());
  const auto one = s.width % 16 == 0   ? image<1, 16>
                   : s.width % 14 == 0 ? image<1, 14>
                   : s.width % 8 == 0  ? image<2, 8>
                                       : image<2, 7>;
  const int64_t pixels = s.height * s.width;
  for (int64_t n = 0; n < images; ++n)
    for (int64_t o = 0; o < s.out; o += lanes)
      one(s, x + n * pixels * s.in, packed + o * 9 * s.in, y + n * pixels * s.out + o, add);
}

void add_weights_gradient(const Direct& s, const float* x, const float* dy, int64_t images, int64_t piece, float* sum) {
  const int64_t lines = 3, in_blocks = s.in / block;
  const int64_t kernel_line = piece % lines, in = piece / lines % in_blocks, out = piece / lines / in_blocks;
  add_piece(s, x + in * block, dy + out * lanes, images, static_cast<int>(kernel_line), sum + piece * block * line);
}
#else
bool Direct::fits() const { return false; }
void convolve(const Direct&, const float*, int64_t, const float*, float*, bool) { assert(false); }
void add_weights_gradient(const Direct&, const float*, const float*, int64_t, int64_t, float*) { assert(false); }
#endif

// [out / 16, line of the kernel, in, place in the line, 16].
void pack_weights(const Direct& s, const float* w, float* packed) {
  for (int64_t o = 0; o < s.out; o += lanes)
    for (int64_t kernel_line = 0; kernel_line < 3; ++kernel_line)
      for (int64_t c = 0; c < s.in; ++c)
        for (int64_t k = 0; k < 3; ++k)
          for (int64_t i = o; i < o + lanes; ++i) *packed++ = w[((i * s.in + c) * 3 + kernel_line) * 3 + k];
}

void pack_turned_weights(const Direct& s, const float* w, float* packed) {
  for (int64_t o = 0; o < s.in; o += lanes)
    for (int64_t kernel_line = 2; kernel_line >= 0; --kernel_line)
      for (int64_t c = 0; c < s.out; ++c)
        for (int64_t k = 2; k >= 0; --k)
          for (int64_t i = o; i < o + lanes; ++i) *packed++ = w[((c * s.in + i) * 3 + kernel_line) * 3 + k];
}

// Pieces of [8, 3, 16], their numbers [out / 16, in / 8, line of the kernel].
int64_t pieces(const Direct& s) { return s.out / lanes * (s.in / block) * 3; }

void add_weights_gradient(const Direct& s, const float* x, const float* dy, int64_t images, float* sum) {
  for (int64_t piece = 0; piece < pieces(s); ++piece) add_weights_gradient(s, x, dy, images, piece, sum);
}

void unpack_gradient(const Direct& s, const float* sums, int64_t count, float* dw) {
  for (int64_t piece = 0; piece < pieces(s); ++piece) {
    const int64_t kernel_line = piece % 3, in = piece / 3 % (s.in / block) * block, out = piece / 3 / (s.in / block) * lanes;
    for (int64_t c = 0; c < block; ++c)
      for (int64_t k = 0; k < 3; ++k) {
        float total[lanes] = {};
        for (int64_t n = 0; n < count; ++n)
          for (int64_t i = 0; i < lanes; ++i) total[i] += sums[n * s.weights() + (piece * block + c) * line + k * lanes + i];
        for (int64_t i = 0; i < lanes; ++i) dw[(((out + i) * s.in + in + c) * 3 + kernel_line) * 3 + k] = total[i];
      }
  }
}

}  // namespace tacet
