// See panels.h.
#include "kernels/product/panels.h"

#include <algorithm>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/product/bf16.h"

namespace tacet {

namespace {

constexpr int64_t columns = 64;  // a panel's width: four registers

}  // namespace

#if defined(__x86_64__)
namespace {

constexpr int64_t ahead = 48;  // lines of a panel's 256 bytes that are fetched before they are used

enum class Lines { floats, pairs, kept };  // pairs: of bf16 numbers; kept: floats without zeros

// y's 64 columns of R rows, from `count` lines of a panel: k of floats or pairs of bf16 numbers. From a row of a to the
// next: `depth`.
template <int R, Lines lines>
[[gnu::target("avx512f,avx512bf16,popcnt")]] void panel(const float* a, int64_t depth, int64_t count, const float* b,
                                                        const uint64_t* kept, float* y, int64_t stride, int64_t width,
                                                        bool add) {
  __m512 sum[R][4];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w) sum[r][w] = _mm512_setzero_ps();
  for (int64_t k = 0; k < count; ++k) {
    __m512 line[4];
    if constexpr (lines == Lines::kept) {
      _mm_prefetch(reinterpret_cast<const char*>(b + ahead * columns / 2), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(b + ahead * columns / 2 + 16), _MM_HINT_T0);
#pragma GCC unroll 4
      for (int w = 0; w < 4; ++w) {
        const auto bits = static_cast<__mmask16>(kept[k] >> 16 * w);
        line[w] = _mm512_maskz_expandloadu_ps(bits, b);
        b += __builtin_popcount(bits);
      }
    } else {
#pragma GCC unroll 4
      for (int w = 0; w < 4; ++w) {
        _mm_prefetch(reinterpret_cast<const char*>(b + ahead * columns + 16 * w), _MM_HINT_T0);
        line[w] = _mm512_loadu_ps(b + 16 * w);
      }
      b += columns;
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const __m512 x = _mm512_set1_ps(a[r * depth + k]);
#pragma GCC unroll 4
      for (int w = 0; w < 4; ++w) {
        if constexpr (lines == Lines::pairs)
          sum[r][w] = _mm512_dpbf16_ps(sum[r][w], reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(line[w]));
        else
          sum[r][w] = _mm512_fmadd_ps(x, line[w], sum[r][w]);
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w) {
      const int64_t left = std::clamp<int64_t>(width - 16 * w, 0, 16);
      const auto there = static_cast<__mmask16>((1u << left) - 1);
      float* const out = y + r * stride + 16 * w;
      _mm512_mask_storeu_ps(out, there, add ? _mm512_add_ps(sum[r][w], _mm512_maskz_loadu_ps(there, out)) : sum[r][w]);
    }
}

template <Lines lines>
constexpr decltype(&panel<1, lines>) by_rows[rows_at_once] = {panel<1, lines>, panel<2, lines>, panel<3, lines>,
                                                              panel<4, lines>, panel<5, lines>, panel<6, lines>};

// More rows than one pass can take share what of the panel lies in the first cache.
template <Lines lines>
void rows_of_panel(const float* a, int64_t rows, int64_t depth, const float* b, const uint64_t* kept, float* y,
                   int64_t stride, int64_t width, bool add) {
  if (rows <= rows_at_once) return by_rows<lines>[rows - 1](a, depth, depth, b, kept, y, stride, width, add);
  constexpr int64_t some =
      lines == Lines::kept ? std::numeric_limits<int64_t>::max() : 64;  // kept: b's lines differ in length
  for (int64_t line = 0, count = 0; line < depth; line += count, b += count * columns, add = true) {
    count = std::min(some, depth - line);
    for (int64_t row = 0, group = 0; row < rows; row += group) {
      const int64_t groups = (rows - row + rows_at_once - 1) / rows_at_once;  // alike in size
      group = (rows - row + groups - 1) / groups;
      by_rows<lines>[group - 1](a + row * depth + line, depth, count, b, kept, y + row * stride, stride, width, add);
    }
  }
}

[[gnu::target("avx512f"), gnu::always_inline]] inline __m512 low(__m512 x, __m512 y) {
  return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
}
[[gnu::target("avx512f"), gnu::always_inline]] inline __m512 high(__m512 x, __m512 y) {
  return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
}

// The 16 × 16 floats at `in`, rows `stride` apart, to `out` as columns.
[[gnu::target("avx512f"), gnu::always_inline]] inline void transpose(const float* in, int64_t stride, float* out) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_ps(in + i * stride);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {  // a[i + j]: of each four columns the j-th, of rows i … i + 3
    a[i] = low(b[i], b[i + 2]);
    a[i + 1] = high(b[i], b[i + 2]);
    a[i + 2] = low(b[i + 1], b[i + 3]);
    a[i + 3] = high(b[i + 1], b[i + 3]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512 even = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88), odd = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xdd),
                 even2 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88),
                 odd2 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xdd);
    _mm512_storeu_ps(out + j * columns, _mm512_shuffle_f32x4(even, even2, 0x88));
    _mm512_storeu_ps(out + (8 + j) * columns, _mm512_shuffle_f32x4(even, even2, 0xdd));
    _mm512_storeu_ps(out + (4 + j) * columns, _mm512_shuffle_f32x4(odd, odd2, 0x88));
    _mm512_storeu_ps(out + (12 + j) * columns, _mm512_shuffle_f32x4(odd, odd2, 0xdd));
  }
}

// `count` lines of `width` columns from `line` on, 64 floats each with zeros behind.
[[gnu::target("avx512f")]] void gather_lines(const Strided& b, int64_t line, int64_t count, int64_t width, float* out) {
  const float* const from = b.data + line * b.row;
  if (b.row == 1 && count == 16) {
    for (int64_t c = 0; c < columns; c += 16) {
      if (c + 16 <= width) {
        transpose(from + c * b.column, b.column, out + c);
        continue;
      }
      for (int64_t k = 0; k < 16; ++k)
        for (int64_t x = c; x < c + 16; ++x) out[k * columns + x] = x < width ? from[x * b.column + k] : 0;
    }
    return;
  }
  for (int64_t k = 0; k < count; ++k, out += columns) {
    if (b.column == 1)
      std::copy_n(from + k * b.row, width, out);
    else
      for (int64_t x = 0; x < width; ++x) out[x] = from[k * b.row + x * b.column];
    std::fill(out + width, out + columns, 0.0f);
  }
}

// A panel of k lines, into at most 64 floats a line; without zeros where `kept` is not null. Returns the floats written.
[[gnu::target("avx512f,popcnt")]] int64_t pack_panel(const Strided& b, int64_t k, int64_t width, float* out,
                                                     uint64_t* kept) {
  constexpr int64_t lines = 16;
  const float* const begin = out;
  alignas(64) float some[lines * columns];
  for (int64_t line = 0; line < k; line += lines) {
    const int64_t count = std::min(lines, k - line);
    gather_lines(b, line, count, width, some);
    for (int64_t i = 0; i < count; ++i) {
      uint64_t bits = 0;
      for (int w = 0; w < 4; ++w) {
        const __m512 x = _mm512_load_ps(some + i * columns + 16 * w);
        if (!kept) {
          _mm512_storeu_ps(out, x);
          out += 16;
          continue;
        }
        const __mmask16 there = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        _mm512_storeu_ps(out, _mm512_maskz_compress_ps(there, x));  // never beyond what the whole lines would take
        out += __builtin_popcount(there);
        bits |= static_cast<uint64_t>(there) << 16 * w;
      }
      if (kept) kept[line + i] = bits;
    }
  }
  return out - begin;
}

int64_t panels_of(int64_t n) { return (n + columns - 1) / columns; }

}  // namespace

bool has_panels(bool bf16) {
  static const bool floats = __builtin_cpu_supports("avx512f"), pairs = __builtin_cpu_supports("avx512bf16");
  return floats && (pairs || !bf16);
}

void multiply_panels(const void* a, int64_t rows, const Panels& b, float* y, bool add, bool last_first) {
  const int64_t panels = panels_of(b.n), depth = b.bf16 ? (b.k + 1) / 2 : b.k;
  const int64_t block = b.bf16 ? 32 : 16, lines = (b.k + block - 1) / block * 16;
  const auto* const left = static_cast<const float*>(a);
  const auto* const right = static_cast<const float*>(b.data);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < panels; ++i) {
    const int64_t p = last_first ? panels - 1 - i : i, width = std::min(columns, b.n - p * columns);
    const float* const from = right + p * lines * columns;
    const uint64_t* const kept = b.kept ? b.kept + p * b.k : nullptr;
    const auto multiply = b.bf16 ? rows_of_panel<Lines::pairs>
                          : kept ? rows_of_panel<Lines::kept>
                                 : rows_of_panel<Lines::floats>;
    multiply(left, rows, depth, from, kept, y + p * columns, b.n, width, add);
  }
}

bool pack_panels(const Strided& b, int64_t k, int64_t n, float* out, uint64_t* kept) {
  constexpr double most = 0.75;  // share of the first panel's values; above it, leaving zeros out is not worth its bits
  const int64_t distance = panel_floats(k, columns);
  const auto pack = [&](int64_t p, uint64_t* bits) {
    const int64_t first = p * columns;
    return pack_panel({b.data + first * b.column, b.row, b.column}, k, std::min(columns, n - first), out + p * distance,
                      bits);
  };
  if (kept && static_cast<double>(pack(0, kept)) > most * static_cast<double>(k * std::min(columns, n))) kept = nullptr;
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < panels_of(n); ++p) pack(p, kept ? kept + p * k : nullptr);
  return kept != nullptr;
}
#else
bool has_panels(bool) { return false; }
void multiply_panels(const void*, int64_t, const Panels&, float*, bool, bool) {}
bool pack_panels(const Strided&, int64_t, int64_t, float*, uint64_t*) { return false; }
#endif

int64_t panel_floats(int64_t k, int64_t n) { return (k + 15) / 16 * 16 * panel_lines(1, n) * columns; }
int64_t panel_lines(int64_t k, int64_t n) { return (n + columns - 1) / columns * k; }

void round_to_pairs(const float* a, int64_t rows, int64_t k, uint16_t* out) {
  const int64_t distance = (k + 1) / 2 * 2;
  for (int64_t row = 0; row < rows; ++row, a += k, out += distance) {
    out[distance - 1] = 0;
    for (int64_t i = 0; i < k; ++i) out[i] = nearest_bf16(a[i]);
  }
}

}  // namespace tacet
