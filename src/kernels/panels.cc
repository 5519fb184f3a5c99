// See panels.h.
#include "kernels/panels.h"

#include <algorithm>
#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tacet {

#if defined(__x86_64__)
namespace {

constexpr int64_t columns = 64;  // of a panel: four registers wide
constexpr int64_t ahead = 48;    // lines of a panel's 256 bytes that are fetched before they are used

// y's 64 columns of R rows. `depth`: lines of the panel, k of floats or pairs of bf16 numbers.
template <int R, bool bf16>
[[gnu::target("avx512f,avx512bf16")]] void panel(const float* a, int64_t depth, const float* b, float* y, int64_t stride,
                                                 int64_t width, bool add) {
  __m512 sum[R][4];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w) sum[r][w] = _mm512_setzero_ps();
  for (int64_t k = 0; k < depth; ++k, b += columns) {
    __m512 line[4];
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w) {
      _mm_prefetch(reinterpret_cast<const char*>(b + ahead * columns + 16 * w), _MM_HINT_T0);
      line[w] = _mm512_loadu_ps(b + 16 * w);
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const __m512 x = _mm512_set1_ps(a[r * depth + k]);
#pragma GCC unroll 4
      for (int w = 0; w < 4; ++w) {
        if constexpr (bf16)
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

template <bool bf16>
void rows_of_panel(const float* a, int64_t rows, int64_t depth, const float* b, float* y, int64_t stride, int64_t width,
                   bool add) {
  for (int64_t row = 0, group = 0; row < rows; row += group) {
    const int64_t groups = (rows - row + 5) / 6;  // of at most 6 rows, alike in size
    group = (rows - row + groups - 1) / groups;
    const float* const from = a + row * depth;
    float* const to = y + row * stride;
    switch (group) {
      case 1:
        panel<1, bf16>(from, depth, b, to, stride, width, add);
        break;
      case 2:
        panel<2, bf16>(from, depth, b, to, stride, width, add);
        break;
      case 3:
        panel<3, bf16>(from, depth, b, to, stride, width, add);
        break;
      case 4:
        panel<4, bf16>(from, depth, b, to, stride, width, add);
        break;
      case 5:
        panel<5, bf16>(from, depth, b, to, stride, width, add);
        break;
      default:
        panel<6, bf16>(from, depth, b, to, stride, width, add);
        break;
    }
  }
}

}  // namespace

bool has_panels(bool bf16) {
  static const bool floats = __builtin_cpu_supports("avx512f"), pairs = __builtin_cpu_supports("avx512bf16");
  return floats && (pairs || !bf16);
}

void multiply_panels(const void* a, int64_t rows, const Panels& b, float* y, bool add, bool last_first) {
  const int64_t panels = (b.n + columns - 1) / columns, depth = b.bf16 ? (b.k + 1) / 2 : b.k;
  const int64_t block = b.bf16 ? 32 : 16, lines = (b.k + block - 1) / block * (b.bf16 ? block / 2 : block);
  const auto* const left = static_cast<const float*>(a);
  const auto* const right = static_cast<const float*>(b.data);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < panels; ++i) {
    const int64_t p = last_first ? panels - 1 - i : i, width = std::min(columns, b.n - p * columns);
    const float* const from = right + p * lines * columns;
    if (b.bf16)
      rows_of_panel<true>(left, rows, depth, from, y + p * columns, b.n, width, add);
    else
      rows_of_panel<false>(left, rows, depth, from, y + p * columns, b.n, width, add);
  }
}
#else
bool has_panels(bool) { return false; }
void multiply_panels(const void*, int64_t, const Panels&, float*, bool, bool) {}
#endif

void round_to_pairs(const float* a, int64_t rows, int64_t k, uint16_t* out) {
  const int64_t distance = (k + 1) / 2 * 2;
  for (int64_t row = 0; row < rows; ++row, a += k, out += distance) {
    out[distance - 1] = 0;
    for (int64_t i = 0; i < k; ++i) {
      const auto bits = std::bit_cast<uint32_t>(a[i]);
      const uint32_t nearest = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
      out[i] = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : nearest);
    }
  }
}

}  // namespace tacet
