// See winograd.h. In one dimension, with x₀…x₃ the image, g₀…g₂ the kernel, y₀, y₁ the result:
//   v = (x₀ − x₂, x₁ + x₂, x₂ − x₁, x₁ − x₃),  u = (g₀, (g₀ + g₁ + g₂)/2, (g₀ − g₁ + g₂)/2, g₂),  m = u·v by elements,
//   y = (m₀ + m₁ + m₂, m₁ − m₂ − m₃),
// and the gradient of g, with e = (dy₀, dy₀ + dy₁, dy₀ − dy₁, dy₁) and s = Σ e·v over tiles:
//   dg = (s₀ + (s₁ + s₂)/2, (s₁ − s₂)/2, (s₁ + s₂)/2 − s₃).
// In two dimensions each is done along columns and then along rows: 16 parts of a tile. For each part, tiles × maps is a
// matrix product. Transformed images and results of some tiles lie as [part][maps / 16][tile][16], transformed weights and
// their gradients as [part][out / 16][in][16].
#include "kernels/convolution/winograd.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tacet {

#if defined(__x86_64__)
namespace {

#define TACET_AVX512 [[gnu::target("avx512f")]]

constexpr int64_t lanes = 16;          // maps at a time, one register
constexpr int64_t parts = 16;          // numbers of a transformed tile
constexpr int64_t tiles_at_once = 32;  // their transformed values lie in the second cache

__mmask16 all_if(bool there) { return static_cast<__mmask16>(there ? 0xffff : 0); }

// Tiles by number: images one after the other, row by row.
struct Tiling {
  explicit Tiling(const Conv3x3& s) : columns((s.width + 1) / 2), rows((s.height + 1) / 2), pixels(s.height * s.width) {}
  int64_t columns, rows, pixels;

  // f(first pixel of the image, row, column of the first tile's results, tiles) for the runs of tiles side by side.
  template <typename F>
  void each_run(int64_t first, int64_t count, const F& f) const {
    for (int64_t t = first; t < first + count;) {
      const int64_t column = t % columns, run = std::min(columns - column, first + count - t);
      f(t / columns / rows * pixels, 2 * (t / columns % rows), 2 * column, run);
      t += run;
    }
  }
};

// Room for the parts of some tiles; between two parts, 16 values more keep them out of each other's cache sets.
struct Parts {
  Parts(int64_t tiles, int64_t maps) : block(tiles * lanes), part(tiles * maps + lanes) {}
  int64_t block, part;  // from 16 maps to the next, from a part to the next
  int64_t size() const { return parts * part; }
};

// x: an image. The columns that two neighbours share are transformed once, and the next row of tiles is called into the
// cache.
TACET_AVX512 void transform_images(const Conv3x3& s, const float* x, int64_t r, int64_t c, int64_t count, const Parts& to,
                                   float* v) {
  const int64_t row = s.width * s.in;
  const float* const first = x + (r - 1) * row;
  const __mmask16 in0 = all_if(r > 0), in2 = all_if(r + 1 < s.height), in3 = all_if(r + 2 < s.height);
  for (int64_t maps = 0; maps < s.in; maps += lanes, v += to.block) {
    __m512 t[4][4];
    const auto column = [&](int64_t place, int k) __attribute__((target("avx512f"), always_inline)) {
      const __mmask16 in = all_if(place >= 0 && place < s.width);
      const float* const from = first + place * s.in + maps;
      const __m512 x0 = _mm512_maskz_loadu_ps(in & in0, from), x1 = _mm512_maskz_loadu_ps(in, from + row),
                   x2 = _mm512_maskz_loadu_ps(in & in2, from + 2 * row),
                   x3 = _mm512_maskz_loadu_ps(in & in3, from + 3 * row);
      t[0][k] = _mm512_sub_ps(x0, x2);
      t[1][k] = _mm512_add_ps(x1, x2);
      t[2][k] = _mm512_sub_ps(x2, x1);
      t[3][k] = _mm512_sub_ps(x1, x3);
    };
    column(c - 1, 0);
    column(c, 1);
    for (int64_t i = 0; i < count; ++i) {
      column(c + 2 * i + 1, 2);
      column(c + 2 * i + 2, 3);
      for (int64_t k = 0; k < 4; ++k)
        _mm_prefetch(first + (4 + k / 2) * row + (c + 2 * i + k % 2) * s.in + maps, _MM_HINT_T0);
      float* d = v + i * lanes;
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k, d += 4 * to.part) {
        _mm512_storeu_ps(d, _mm512_sub_ps(t[k][0], t[k][2]));
        _mm512_storeu_ps(d + to.part, _mm512_add_ps(t[k][1], t[k][2]));
        _mm512_storeu_ps(d + 2 * to.part, _mm512_sub_ps(t[k][2], t[k][1]));
        _mm512_storeu_ps(d + 3 * to.part, _mm512_sub_ps(t[k][1], t[k][3]));
        t[k][0] = t[k][2];
        t[k][1] = t[k][3];
      }
    }
  }
}

// y: an image.
TACET_AVX512 void transform_back(const Conv3x3& s, const float* m, const Parts& from, int64_t r, int64_t c, int64_t count,
                                 float* y, bool add) {
  const bool below = r + 1 < s.height;
  const auto put = [add](float* d, __m512 value) __attribute__((target("avx512f"), always_inline)) {
    _mm512_storeu_ps(d, add ? _mm512_add_ps(value, _mm512_loadu_ps(d)) : value);
  };
  for (int64_t maps = 0; maps < s.out; maps += lanes, m += from.block)
    for (int64_t i = 0; i < count; ++i) {
      __m512 t[2][4];
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const float* const d = m + i * lanes + k * from.part;
        const __m512 m0 = _mm512_loadu_ps(d), m1 = _mm512_loadu_ps(d + 4 * from.part),
                     m2 = _mm512_loadu_ps(d + 8 * from.part), m3 = _mm512_loadu_ps(d + 12 * from.part);
        t[0][k] = _mm512_add_ps(m0, _mm512_add_ps(m1, m2));
        t[1][k] = _mm512_sub_ps(_mm512_sub_ps(m1, m2), m3);
      }
      float* to = y + (r * s.width + c + 2 * i) * s.out + maps;
      const bool right = c + 2 * i + 1 < s.width;
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k, to += s.width * s.out) {
        if (k == 1 && !below) break;
        put(to, _mm512_add_ps(t[k][0], _mm512_add_ps(t[k][1], t[k][2])));
        if (right) put(to + s.out, _mm512_sub_ps(_mm512_sub_ps(t[k][1], t[k][2]), t[k][3]));
      }
    }
}

// dy: the maps that are wanted of an image, `wanted` of them.
TACET_AVX512 void transform_gradient(const Conv3x3& s, const float* dy, int64_t wanted, int64_t r, int64_t c, int64_t count,
                                     const Parts& to, float* e) {
  const int64_t row = s.width * s.out;
  const __mmask16 below = all_if(r + 1 < s.height);
  for (int64_t maps = 0; maps < wanted; maps += lanes, e += to.block)
    for (int64_t i = 0; i < count; ++i) {
      const __mmask16 right = all_if(c + 2 * i + 1 < s.width);
      const float* const from = dy + r * row + (c + 2 * i) * s.out + maps;
      __m512 t[4][2];
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k) {
        const __mmask16 in = k == 1 ? right : all_if(true);
        t[0][k] = _mm512_maskz_loadu_ps(in, from + k * s.out);
        t[3][k] = _mm512_maskz_loadu_ps(in & below, from + k * s.out + row);
        t[1][k] = _mm512_add_ps(t[0][k], t[3][k]);
        t[2][k] = _mm512_sub_ps(t[0][k], t[3][k]);
      }
      float* d = e + i * lanes;
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k, d += 4 * to.part) {
        _mm512_storeu_ps(d, t[k][0]);
        _mm512_storeu_ps(d + to.part, _mm512_add_ps(t[k][0], t[k][1]));
        _mm512_storeu_ps(d + 2 * to.part, _mm512_sub_ps(t[k][0], t[k][1]));
        _mm512_storeu_ps(d + 3 * to.part, t[k][1]);
      }
    }
}

// m of R tiles and Q · 16 maps = v [in / 16][tile][16] · u [Q][in][16].
template <int R, int Q>
TACET_AVX512 void product(const float* v, const Parts& from, int64_t in, const float* u, const Parts& to, float* m) {
  __m512 sum[R][Q];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int q = 0; q < Q; ++q) sum[r][q] = _mm512_setzero_ps();
  for (int64_t maps = 0; maps < in; maps += lanes, v += from.block)
#pragma GCC unroll 4
    for (int64_t k = 0; k < lanes; ++k, u += lanes) {
      __m512 w[Q];
#pragma GCC unroll 2
      for (int q = 0; q < Q; ++q) w[q] = _mm512_loadu_ps(u + q * in * lanes);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const __m512 value = _mm512_set1_ps(v[r * lanes + k]);
#pragma GCC unroll 2
        for (int q = 0; q < Q; ++q) sum[r][q] = _mm512_fmadd_ps(value, w[q], sum[r][q]);
      }
    }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int q = 0; q < Q; ++q) _mm512_storeu_ps(m + r * lanes + q * to.block, sum[r][q]);
}

// sum [Q][R][16] += v [tile][R] ᵀ · e [Q][tile][16].
template <int R, int Q>
TACET_AVX512 void add_product(const float* v, const float* e, const Parts& from, int64_t tiles, float* sum, int64_t next) {
  __m512 total[R][Q];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int q = 0; q < Q; ++q) total[r][q] = _mm512_loadu_ps(sum + r * lanes + q * next);
  for (int64_t t = 0; t < tiles; ++t, v += lanes, e += lanes) {
    __m512 w[Q];
#pragma GCC unroll 2
    for (int q = 0; q < Q; ++q) w[q] = _mm512_loadu_ps(e + q * from.block);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const __m512 value = _mm512_set1_ps(v[r]);
#pragma GCC unroll 2
      for (int q = 0; q < Q; ++q) total[r][q] = _mm512_fmadd_ps(value, w[q], total[r][q]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int q = 0; q < Q; ++q) _mm512_storeu_ps(sum + r * lanes + q * next, total[r][q]);
}

using Kernels = std::array<std::array<float, lanes>, 9>;  // 3 × 3 weights of 16 maps

// packed: the first part, `next` to the others.
TACET_AVX512 void transform_kernels(const Kernels& g, int64_t next, float* packed) {
  const __m512 half = _mm512_set1_ps(0.5f);
  __m512 t[4][3];
#pragma GCC unroll 3
  for (size_t k = 0; k < 3; ++k) {
    const __m512 g0 = _mm512_loadu_ps(g[k].data()), g1 = _mm512_loadu_ps(g[3 + k].data()),
                 g2 = _mm512_loadu_ps(g[6 + k].data());
    const __m512 outer = _mm512_add_ps(g0, g2);
    t[0][k] = g0;
    t[1][k] = _mm512_mul_ps(half, _mm512_add_ps(outer, g1));
    t[2][k] = _mm512_mul_ps(half, _mm512_sub_ps(outer, g1));
    t[3][k] = g2;
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k, packed += 4 * next) {
    const __m512 outer = _mm512_add_ps(t[k][0], t[k][2]);
    _mm512_storeu_ps(packed, t[k][0]);
    _mm512_storeu_ps(packed + next, _mm512_mul_ps(half, _mm512_add_ps(outer, t[k][1])));
    _mm512_storeu_ps(packed + 2 * next, _mm512_mul_ps(half, _mm512_sub_ps(outer, t[k][1])));
    _mm512_storeu_ps(packed + 3 * next, t[k][2]);
  }
}

// sums: the first part of the first of `count` sums.
TACET_AVX512 void kernels_of(const float* sums, int64_t next, int64_t count, int64_t next_sum, Kernels& dg) {
  const __m512 half = _mm512_set1_ps(0.5f);
  __m512 t[3][4];
  const auto total = [&](int64_t part) __attribute__((target("avx512f"), always_inline)) {
    __m512 sum = _mm512_loadu_ps(sums + part * next);
    for (int64_t n = 1; n < count; ++n) sum = _mm512_add_ps(sum, _mm512_loadu_ps(sums + n * next_sum + part * next));
    return sum;
  };
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const __m512 s0 = total(k), s1 = total(4 + k), s2 = total(8 + k), s3 = total(12 + k);
    const __m512 even = _mm512_mul_ps(half, _mm512_add_ps(s1, s2));
    t[0][k] = _mm512_add_ps(s0, even);
    t[1][k] = _mm512_mul_ps(half, _mm512_sub_ps(s1, s2));
    t[2][k] = _mm512_sub_ps(even, s3);
  }
#pragma GCC unroll 3
  for (size_t k = 0; k < 3; ++k) {
    const __m512 even = _mm512_mul_ps(half, _mm512_add_ps(t[k][1], t[k][2]));
    _mm512_storeu_ps(dg[3 * k].data(), _mm512_add_ps(t[k][0], even));
    _mm512_storeu_ps(dg[3 * k + 1].data(), _mm512_mul_ps(half, _mm512_sub_ps(t[k][1], t[k][2])));
    _mm512_storeu_ps(dg[3 * k + 2].data(), _mm512_sub_ps(even, t[k][3]));
  }
}

std::unique_ptr<float[]> room(int64_t floats) {
  return std::make_unique_for_overwrite<float[]>(static_cast<size_t>(floats));
}

}  // namespace

bool Conv3x3::fits() const {
  static const bool wide = __builtin_cpu_supports("avx512f");
  return wide && in % lanes == 0 && out % lanes == 0 && width > 0 && height > 0;
}

void pack_weights(const Conv3x3& s, const float* w, int64_t from, int64_t to, float* packed) {
  Kernels g;
  for (int64_t o = from; o < to; o += lanes)
    for (int64_t c = 0; c < s.in; ++c) {
      for (int64_t i = 0; i < lanes; ++i)
        for (int64_t k = 0; k < 9; ++k) g[size_t(k)][size_t(i)] = w[((o + i) * s.in + c) * 9 + k];
      transform_kernels(g, s.in * s.out, packed + o * s.in + c * lanes);
    }
}

void pack_turned_weights(const Conv3x3& s, const float* w, int64_t from, int64_t to, float* packed) {
  Kernels g;
  for (int64_t o = from; o < to; o += lanes)
    for (int64_t c = 0; c < s.out; ++c) {
      for (int64_t i = 0; i < lanes; ++i)
        for (int64_t k = 0; k < 9; ++k) g[size_t(8 - k)][size_t(i)] = w[(c * s.in + o + i) * 9 + k];
      transform_kernels(g, s.in * s.out, packed + o * s.out + c * lanes);
    }
}

void convolve(const Conv3x3& s, const float* x, int64_t images, const float* packed, float* y, bool add) {
  assert(s.fits());
  const Tiling tiling(s);
  const Parts in(tiles_at_once, s.in), out(tiles_at_once, s.out);
  const auto v = room(in.size()), m = room(out.size());
  // Tiles are multiplied in groups of 16: of those that a call does not reach, whatever lies there is.
  for (int64_t first = 0, all = images * tiling.rows * tiling.columns; first < all; first += tiles_at_once) {
    const int64_t count = std::min(tiles_at_once, all - first);
    float* to = v.get();
    tiling.each_run(first, count, [&](int64_t pixel, int64_t r, int64_t c, int64_t run) {
      transform_images(s, x + pixel * s.in, r, c, run, in, to);
      to += run * lanes;
    });
    for (int64_t k = 0; k < parts; ++k) {
      const float *const vk = v.get() + k * in.part, *const u = packed + k * s.in * s.out;
      float* const mk = m.get() + k * out.part;
      int64_t o = 0;
      for (; o + 2 * lanes <= s.out; o += 2 * lanes)
        for (int64_t t = 0; t < count; t += 8)
          product<8, 2>(vk + t * lanes, in, s.in, u + o * s.in, out, mk + (o / lanes * tiles_at_once + t) * lanes);
      for (; o < s.out; o += lanes)
        for (int64_t t = 0; t < count; t += 16)
          product<16, 1>(vk + t * lanes, in, s.in, u + o * s.in, out, mk + (o / lanes * tiles_at_once + t) * lanes);
    }
    const float* from = m.get();
    tiling.each_run(first, count, [&](int64_t pixel, int64_t r, int64_t c, int64_t run) {
      transform_back(s, from, out, r, c, run, y + pixel * s.out, add);
      from += run * lanes;
    });
  }
}

void add_weights_gradient(const Conv3x3& s, const float* x, const float* dy, int64_t images, int64_t from, int64_t to,
                          float* sum) {
  assert(s.fits());
  const Tiling tiling(s);
  const int64_t wanted = to - from;
  const Parts in(tiles_at_once, s.in), out(tiles_at_once, wanted);
  const auto v = room(in.size()), e = room(out.size());
  for (int64_t first = 0, all = images * tiling.rows * tiling.columns; first < all; first += tiles_at_once) {
    const int64_t count = std::min(tiles_at_once, all - first);
    float *to_v = v.get(), *to_e = e.get();
    tiling.each_run(first, count, [&](int64_t pixel, int64_t r, int64_t c, int64_t run) {
      transform_images(s, x + pixel * s.in, r, c, run, in, to_v);
      transform_gradient(s, dy + pixel * s.out + from, wanted, r, c, run, out, to_e);
      to_v += run * lanes;
      to_e += run * lanes;
    });
    for (int64_t k = 0; k < parts; ++k) {
      const float *const vk = v.get() + k * in.part, *const ek = e.get() + k * out.part;
      float* const sk = sum + k * s.in * s.out + from * s.in;
      int64_t o = 0;
      for (; o + 2 * lanes <= wanted; o += 2 * lanes)
        for (int64_t c = 0; c < s.in; c += 8)
          add_product<8, 2>(vk + c / lanes * in.block + c % lanes, ek + o * tiles_at_once, out, count,
                            sk + o * s.in + c * lanes, s.in * lanes);
      for (; o < wanted; o += lanes)
        for (int64_t c = 0; c < s.in; c += 16)
          add_product<16, 1>(vk + c * tiles_at_once, ek + o * tiles_at_once, out, count, sk + o * s.in + c * lanes, 0);
    }
  }
}

void unpack_gradient(const Conv3x3& s, const float* sums, int64_t count, int64_t from, int64_t to, float* dw) {
  Kernels dg;
  for (int64_t o = from; o < to; o += lanes)
    for (int64_t c = 0; c < s.in; ++c) {
      kernels_of(sums + o * s.in + c * lanes, s.in * s.out, count, s.weights(), dg);
      for (int64_t i = 0; i < lanes; ++i)
        for (int64_t k = 0; k < 9; ++k) dw[((o + i) * s.in + c) * 9 + k] = dg[size_t(k)][size_t(i)];
    }
}

#else
bool Conv3x3::fits() const { return false; }
void pack_weights(const Conv3x3&, const float*, int64_t, int64_t, float*) { assert(false); }
void pack_turned_weights(const Conv3x3&, const float*, int64_t, int64_t, float*) { assert(false); }
void convolve(const Conv3x3&, const float*, int64_t, const float*, float*, bool) { assert(false); }
void add_weights_gradient(const Conv3x3&, const float*, const float*, int64_t, int64_t, int64_t, float*) { assert(false); }
void unpack_gradient(const Conv3x3&, const float*, int64_t, int64_t, int64_t, float*) { assert(false); }
#endif

}  // namespace tacet
