// Philox4x32-10 and the draws made from it. Pure functions of the key; see random.h.
#include "tacet/random.h"

#include <cassert>
#include <cmath>
#include <numeric>
#include <string>

#include "tacet/error.h"

namespace tacet {

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> x, std::array<uint32_t, 2> k) {
  constexpr uint64_t m0 = 0xD2511F53, m1 = 0xCD9E8D57;
  constexpr uint32_t w0 = 0x9E3779B9, w1 = 0xBB67AE85;
  for (int r = 0; r < 10; ++r) {
    const uint64_t p0 = m0 * x[0], p1 = m1 * x[2];
    x = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ k[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ k[1], static_cast<uint32_t>(p0)};
    k[0] += w0;
    k[1] += w1;
  }
  return x;
}

namespace {

constexpr int64_t blocks_at_once = 16;

// Writes `value` where a word of philox at `counter` and the counters after it is at most `last`, else 0, in order, many
// blocks at a time.
[[gnu::always_inline]] inline void bernoulli_blocks(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> k,
                                                    uint32_t last, float value, float* __restrict out) {
  constexpr uint64_t m0 = 0xD2511F53, m1 = 0xCD9E8D57;
  constexpr uint32_t w0 = 0x9E3779B9, w1 = 0xBB67AE85;
  uint32_t a[blocks_at_once], b[blocks_at_once], c[blocks_at_once], d[blocks_at_once];
  for (uint32_t l = 0; l < blocks_at_once; ++l) {
    a[l] = counter[0] + l;
    b[l] = counter[1];
    c[l] = counter[2];
    d[l] = counter[3];
  }
  for (int r = 0; r < 10; ++r) {
    for (int64_t l = 0; l < blocks_at_once; ++l) {
      const uint64_t p0 = m0 * a[l], p1 = m1 * c[l];
      a[l] = static_cast<uint32_t>(p1 >> 32) ^ b[l] ^ k[0];
      b[l] = static_cast<uint32_t>(p1);
      c[l] = static_cast<uint32_t>(p0 >> 32) ^ d[l] ^ k[1];
      d[l] = static_cast<uint32_t>(p0);
    }
    k[0] += w0;
    k[1] += w1;
  }
  for (int64_t l = 0; l < blocks_at_once; ++l) {
    out[4 * l] = a[l] <= last ? value : 0.0f;
    out[4 * l + 1] = b[l] <= last ? value : 0.0f;
    out[4 * l + 2] = c[l] <= last ? value : 0.0f;
    out[4 * l + 3] = d[l] <= last ? value : 0.0f;
  }
}

void bernoulli_blocks_anywhere(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key, uint32_t last, float value,
                               float* out) {
  bernoulli_blocks(counter, key, last, value, out);
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
[[gnu::target("avx512f,prefer-vector-width=512")]] void bernoulli_blocks_wide(std::array<uint32_t, 4> counter,
                                                                              std::array<uint32_t, 2> key, uint32_t last,
                                                                              float value, float* out) {
  bernoulli_blocks(counter, key, last, value, out);
}
const auto bernoulli_blocks_here = __builtin_cpu_supports("avx512f") ? bernoulli_blocks_wide : bernoulli_blocks_anywhere;
#else
const auto bernoulli_blocks_here = bernoulli_blocks_anywhere;
#endif

}  // namespace

Stream::Stream(uint64_t seed, int client, Purpose purpose, int64_t round, int64_t step)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{0, static_cast<uint32_t>(step), static_cast<uint32_t>(round),
               static_cast<uint32_t>(client) << 8 | static_cast<uint32_t>(purpose)} {
  assert(client >= 0 && client <= everyone && round >= 0 && step >= 0);
}

Stream Stream::part(int k) const {
  assert(k >= 0 && k < 256);
  Stream s = *this;
  s.counter_[0] = static_cast<uint32_t>(k) << 24;
  s.used_ = 4;
  return s;
}

Stream Stream::item(int64_t k, int64_t words) const {
  if (words > int64_t{1} << 34)
    throw UserError("a tensor must have at most 2^34 random numbers, got " + std::to_string(words));
  if (k < 256 && words <= part_words) return part(static_cast<int>(k));
  Stream s = *this;
  s.counter_[0] = 0;
  s.counter_[1] += static_cast<uint32_t>(1 + k);
  s.used_ = 4;
  return s;
}

uint32_t Stream::bits() {
  if (used_ == 4) {
    block_ = philox(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[used_++];
}

double Stream::uniform() {
  const uint64_t high = bits() >> 5, low = bits() >> 6;  // 27 + 26 = 53 bits
  return static_cast<double>(high << 26 | low) * 0x1p-53;
}

double Stream::normal() {
  const double u = 1 - uniform(), v = uniform();  // u in (0, 1]
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v);
}

uint64_t Stream::below(uint64_t n) {
  assert(n >= 1);
  // Reject the numbers beyond the largest multiple of n, so that every residue is equally likely.
  const uint64_t limit = UINT64_MAX - (UINT64_MAX % n + 1) % n;
  uint64_t x;
  do {
    x = static_cast<uint64_t>(bits()) << 32;
    x |= bits();
  } while (x > limit);
  return x % n;
}

void Stream::fill_uniform(float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(bits() >> 8) * 0x1p-24f;
}

void Stream::fill_bernoulli(float* out, int64_t n, double p, float value) {
  // An integer is below the threshold p·2³² where it is at most the greatest integer below it.
  const double threshold = std::ceil(p * 0x1p32);
  if (threshold < 1) value = 0;
  const uint32_t last = threshold < 1 ? 0 : static_cast<uint32_t>(static_cast<uint64_t>(threshold) - 1);
  const auto drawn = [&](uint32_t word) { return word <= last ? value : 0.0f; };
  constexpr int64_t words = 4 * blocks_at_once;
  int64_t i = 0;
  for (; i < n && used_ < 4; ++i) out[i] = drawn(bits());
  for (; n - i >= words; i += words) {
    bernoulli_blocks_here(counter_, key_, last, value, out + i);
    counter_[0] += static_cast<uint32_t>(blocks_at_once);
  }
  for (; i < n; ++i) out[i] = drawn(bits());
}

std::vector<int64_t> Stream::permutation(int64_t n) {
  std::vector<int64_t> p(static_cast<size_t>(n));
  std::iota(p.begin(), p.end(), 0);
  for (int64_t i = n - 1; i > 0; --i) std::swap(p[i], p[below(static_cast<uint64_t>(i) + 1)]);
  return p;
}

}  // namespace tacet
