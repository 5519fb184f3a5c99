// See cells.h. Each function is compiled once for AVX-512 and once for any machine.
#include "kernels/recurrent/cells.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace tacet {
namespace {

// exp(x) = 2^n · exp(r), |r| ≤ ln 2 / 2; the polynomial is Cephes' expf. Saturates where the result would leave the normal
// range.
[[gnu::always_inline]] inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
  const float shifted = x * 1.44269504088896341f + 12582912.0f;  // rounds to an integer in the low bits
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const uint32_t power = (std::bit_cast<uint32_t>(shifted) + 127u) << 23;
  return p * std::bit_cast<float>(power);
}

[[gnu::always_inline]] inline float logistic(float x) { return 1.0f / (1.0f + exponential(-x)); }

// Cephes' tanhf: near zero an odd polynomial, which keeps the relative error small there.
[[gnu::always_inline]] inline float hyperbolic_tangent(float x) {
  const float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near = p * z * x + x;
  const float far = 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f);
  return z < 0.390625f ? near : far;
}

struct Lstm {
  [[gnu::always_inline]] static void step(int64_t width, float* __restrict gates, const float* __restrict bias,
                                          const float* c_before, float* c, float* __restrict h) {
    float *i = gates, *f = gates + width, *g = gates + 2 * width, *o = gates + 3 * width;
#pragma omp simd
    for (int64_t k = 0; k < width; ++k) {
      const float ik = logistic(i[k] + bias[k]), fk = logistic(f[k] + bias[width + k]),
                  gk = hyperbolic_tangent(g[k] + bias[2 * width + k]), ok = logistic(o[k] + bias[3 * width + k]);
      const float ck = fk * c_before[k] + ik * gk;
      i[k] = ik;
      f[k] = fk;
      g[k] = gk;
      o[k] = ok;
      c[k] = ck;
      h[k] = ok * hyperbolic_tangent(ck);
    }
  }
};

struct LstmBackward {
  [[gnu::always_inline]] static void step(int64_t width, const float* __restrict gates, const float* __restrict c_before,
                                          const float* __restrict c, const float* __restrict dh, float* __restrict dc,
                                          float* __restrict d) {
    const float *i = gates, *f = gates + width, *g = gates + 2 * width, *o = gates + 3 * width;
#pragma omp simd
    for (int64_t k = 0; k < width; ++k) {
      const float squashed = hyperbolic_tangent(c[k]);
      const float dck = dc[k] + dh[k] * o[k] * (1.0f - squashed * squashed);
      d[k] = dck * g[k] * i[k] * (1.0f - i[k]);
      d[width + k] = dck * c_before[k] * f[k] * (1.0f - f[k]);
      d[2 * width + k] = dck * i[k] * (1.0f - g[k] * g[k]);
      d[3 * width + k] = dh[k] * squashed * o[k] * (1.0f - o[k]);
      dc[k] = dck * f[k];
    }
  }
};

struct Gru {
  [[gnu::always_inline]] static void step(int64_t width, float* __restrict gates, const float* __restrict bias_ih,
                                          const float* __restrict state_sums, const float* __restrict bias_hh,
                                          const float* __restrict h_before, float* __restrict state_new,
                                          float* __restrict h) {
    float *r = gates, *z = gates + width, *n = gates + 2 * width;
#pragma omp simd
    for (int64_t k = 0; k < width; ++k) {
      const float rk = logistic(r[k] + bias_ih[k] + (state_sums[k] + bias_hh[k]));
      const float zk = logistic(z[k] + bias_ih[width + k] + (state_sums[width + k] + bias_hh[width + k]));
      const float sk = state_sums[2 * width + k] + bias_hh[2 * width + k];
      const float nk = hyperbolic_tangent(n[k] + bias_ih[2 * width + k] + rk * sk);
      r[k] = rk;
      z[k] = zk;
      n[k] = nk;
      state_new[k] = sk;
      h[k] = nk + zk * (h_before[k] - nk);
    }
  }
};

struct GruBackward {
  [[gnu::always_inline]] static void step(int64_t width, const float* __restrict gates, const float* __restrict state_new,
                                          const float* __restrict h_before, float* __restrict dh, float* __restrict d,
                                          float* __restrict ds) {
    const float *r = gates, *z = gates + width, *n = gates + 2 * width;
#pragma omp simd
    for (int64_t k = 0; k < width; ++k) {
      const float dn = dh[k] * (1.0f - z[k]) * (1.0f - n[k] * n[k]);
      const float dz = dh[k] * (h_before[k] - n[k]) * z[k] * (1.0f - z[k]);
      const float dr = dn * state_new[k] * r[k] * (1.0f - r[k]);
      d[k] = ds[k] = dr;
      d[width + k] = ds[width + k] = dz;
      d[2 * width + k] = dn;
      ds[2 * width + k] = dn * r[k];
      dh[k] *= z[k];
    }
  }
};

struct Rnn {
  [[gnu::always_inline]] static void step(int64_t width, float* __restrict h, const float* __restrict bias) {
#pragma omp simd
    for (int64_t k = 0; k < width; ++k) h[k] = hyperbolic_tangent(h[k] + bias[k]);
  }
};

struct RnnBackward {
  [[gnu::always_inline]] static void step(int64_t width, const float* __restrict h, const float* __restrict dh,
                                          float* __restrict d) {
#pragma omp simd
    for (int64_t k = 0; k < width; ++k) d[k] = dh[k] * (1.0f - h[k] * h[k]);
  }
};

// The score wanted minus the logarithm of the sum of exponentials, twice over the row while it lies in the cache.
struct Entropy {
  [[gnu::always_inline]] static void step(int64_t n, float* __restrict s, const float* __restrict bias, int64_t wanted,
                                          float scale, double* loss) {
    float greatest[lanes], sums[lanes];
    for (int64_t l = 0; l < lanes; ++l) greatest[l] = -std::numeric_limits<float>::max(), sums[l] = 0;
    const int64_t whole = n / lanes * lanes;
    if (bias)
      for (int64_t k = 0; k < n; ++k) s[k] += bias[k];
    for (int64_t k = 0; k < whole; k += lanes)
      for (int64_t l = 0; l < lanes; ++l) greatest[l] = greatest[l] < s[k + l] ? s[k + l] : greatest[l];
    float top = greatest[0];
    for (int64_t l = 1; l < lanes; ++l) top = std::max(top, greatest[l]);
    for (int64_t k = whole; k < n; ++k) top = std::max(top, s[k]);
    const float own = s[wanted];
    for (int64_t k = 0; k < whole; k += lanes)
      for (int64_t l = 0; l < lanes; ++l) {
        const float e = exponential(s[k + l] - top);
        s[k + l] = e;
        sums[l] += e;
      }
    double sum = 0;
    for (int64_t k = whole; k < n; ++k) sum += s[k] = exponential(s[k] - top);
    for (int64_t l = 0; l < lanes; ++l) sum += sums[l];
    *loss = std::log(sum) + (static_cast<double>(top) - own);
    const float share = scale / static_cast<float>(sum);
    for (int64_t k = 0; k < n; ++k) s[k] *= share;
    s[wanted] -= scale;
  }
  static constexpr int64_t lanes = 64;
};

#if defined(__x86_64__)
template <class Cell, class... Arguments>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] void wide(Arguments... arguments) {
  Cell::step(arguments...);
}
const bool has_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
template <class Cell, class... Arguments>
void wide(Arguments...) {}
const bool has_wide = false;
#endif

template <class Cell, class... Arguments>
void run(Arguments... arguments) {
  if (has_wide) return wide<Cell>(arguments...);
  Cell::step(arguments...);
}

}  // namespace

void lstm_step(int64_t width, float* gates, const float* bias, const float* c_before, float* c, float* h) {
  run<Lstm>(width, gates, bias, c_before, c, h);
}

void lstm_step_backward(int64_t width, const float* gates, const float* c_before, const float* c, const float* dh, float* dc,
                        float* d_sums) {
  run<LstmBackward>(width, gates, c_before, c, dh, dc, d_sums);
}

void gru_step(int64_t width, float* gates, const float* bias_ih, const float* state_sums, const float* bias_hh,
              const float* h_before, float* state_new, float* h) {
  run<Gru>(width, gates, bias_ih, state_sums, bias_hh, h_before, state_new, h);
}

void gru_step_backward(int64_t width, const float* gates, const float* state_new, const float* h_before, float* dh,
                       float* d_sums, float* d_state_sums) {
  run<GruBackward>(width, gates, state_new, h_before, dh, d_sums, d_state_sums);
}

void rnn_step(int64_t width, float* h, const float* bias) { run<Rnn>(width, h, bias); }

void rnn_step_backward(int64_t width, const float* h, const float* dh, float* d_sums) {
  run<RnnBackward>(width, h, dh, d_sums);
}

double entropy_row(int64_t vocabulary, float* scores, const float* bias, int64_t wanted, float scale) {
  double loss = 0;
  run<Entropy>(vocabulary, scores, bias, wanted, scale, &loss);
  return loss;
}

}  // namespace tacet
