// The machine's floor that shares of the peak refer to: fused multiply-adds that touch registers only, in f32 and (where the
// processor has vdpbf16ps) bf16, and the bandwidth of y += a x on arrays larger than the caches. For x86-64 with AVX2 and
// FMA; other processors get 0. No torch.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace peak {

using Clock = std::chrono::steady_clock;

constexpr int chains = 12;  // independent sums: latency (4) × two pipes, and some to spare; 16 registers hold them
constexpr int64_t rounds = 20'000'000;

// The best of three runs of `work` on `threads` threads at once, in seconds.
inline double best_seconds(int threads, const std::function<void()>& work) {
  double best = 1e30;
  for (int k = 0; k < 3; ++k) {
    const auto begin = Clock::now();
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(work);
    work();
    for (std::thread& t : others) t.join();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

// Hides a value from the compiler: before the rounds, so that it can't see that the sums are equal and add only one of them;
// after them, so that it can't leave out what made the sums.
template <class V>
inline void keep(V& v) {
  asm volatile("" : "+x"(v));
}

#if defined(__x86_64__)
inline __attribute__((target("avx2,fma"))) void fma_256() {
  __m256 sum[chains] = {};
  for (auto& s : sum) keep(s);
  __m256 a = _mm256_set1_ps(0.5f);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int k = 0; k < chains; ++k) sum[k] = _mm256_fmadd_ps(sum[k], a, a);
  }
  for (auto& s : sum) keep(s);
}

inline __attribute__((target("avx512f"))) void fma_512() {
  __m512 sum[chains] = {};
  for (auto& s : sum) keep(s);
  __m512 a = _mm512_set1_ps(0.5f);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int k = 0; k < chains; ++k) sum[k] = _mm512_fmadd_ps(sum[k], a, a);
  }
  for (auto& s : sum) keep(s);
}

inline __attribute__((target("avx512f,avx512bf16"))) void dot_bf16() {
  __m512 sum[chains] = {};
  for (auto& s : sum) keep(s);
  const __m512 half = _mm512_set1_ps(0.5f);
  const __m512bh a = _mm512_cvtne2ps_pbh(half, half);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int k = 0; k < chains; ++k) sum[k] = _mm512_dpbf16_ps(sum[k], a, a);
  }
  for (auto& s : sum) keep(s);
}
#endif

// GF/s of 2 · operations (a multiplication and an addition) a chain and round; 0 where the processor can't.
inline double f32_gflops(int threads) {
#if defined(__x86_64__)
  const double work = 2.0 * chains * rounds * threads;
  if (__builtin_cpu_supports("avx512f")) return work * 16 / best_seconds(threads, fma_512) / 1e9;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return work * 8 / best_seconds(threads, fma_256) / 1e9;
#endif
  return 0 * threads;
}

inline double bf16_gflops(int threads) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16"))
    return 2.0 * chains * rounds * threads * 32 / best_seconds(threads, dot_bf16) / 1e9;
#endif
  return 0 * threads;
}

// GB/s of y += a x, 128 MB an array and thread: two reads and a write.
inline double axpy_gbytes(int threads) {
  constexpr size_t n = 32 << 20;
  std::vector<std::vector<float>> x(threads), y(threads);
  for (int t = 0; t < threads; ++t) {
    x[t].assign(n, 1);
    y[t].assign(n, 1);
  }
  double best = 1e30;
  for (int k = 0; k < 5; ++k) {
    const auto begin = Clock::now();
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t)
      all.emplace_back([px = x[t].data(), py = y[t].data()] {
        for (size_t i = 0; i < n; ++i) py[i] += 0.5f * px[i];
      });
    for (std::thread& t : all) t.join();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return 3.0 * sizeof(float) * n * threads / best / 1e9;
}

}  // namespace peak
