// Sparse messages: the largest values arrive at their places, the words are counted, and two bits stand for what they
// should.
#include "engine/sparse_coding.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "engine/message_coding.h"
#include "tacet/random.h"

namespace tacet::sparse_test {
namespace {

std::vector<float> noise(int64_t n, uint64_t seed = 1) {
  Stream s(seed, 0, Purpose::gradient_noise, 0, 0);
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = static_cast<float>(s.normal());
  return v;
}

SparseChunk chunk_of(int64_t size, int64_t kept) { return {0, size, kept, 0}; }

std::vector<float> coded_and_back(const SparseChunk& chunk, bool two_bits, const std::vector<float>& v) {
  std::vector<float> words(static_cast<size_t>(sparse_words(chunk.size, chunk.kept, two_bits))), out(v.size(), 7);
  sparse_encode(chunk, two_bits, v.data(), words.data());
  sparse_decode(chunk, two_bits, words.data(), out.data());
  return out;
}

// A vector of 300 has chunks of 60, a matrix of 5000 one of 4096 and one of 904, a vector of 127, a prime, chunks of one.
TEST(SparseChunks, CutLayers) {
  const std::vector<Layer> layers = {{"bias", 0, 300, {300}}, {"weight", 300, 5000, {50, 100}}, {"odd", 5300, 127, {127}}};
  const std::vector<SparseChunk> chunks = sparse_chunks(layers, {});
  ASSERT_EQ(chunks.size(), 5u + 2 + 127 + 1);
  EXPECT_EQ(chunks[4].first, 240);
  EXPECT_EQ(chunks[4].size, 60);
  EXPECT_EQ(chunks[4].kept, 1);  // 60/64
  EXPECT_EQ(chunks[5].size, 4096);
  EXPECT_EQ(chunks[5].kept, 64);
  EXPECT_EQ(chunks[5].word, 5 * 2);  // a place and a value each
  EXPECT_EQ(chunks[6].first, 4396);
  EXPECT_EQ(chunks[6].size, 904);
  EXPECT_EQ(chunks[6].kept, 14);  // 904/64 = 14.1
  EXPECT_EQ(chunks[7].size, 1);
  EXPECT_EQ(chunks.back().first, 5427);
  EXPECT_EQ(chunks.back().word, 10 + 88 + (6 + 14) + 127);  // 14 · 12 bits are 5.25 words
  const auto shorter = sparse_chunks(layers, {.density = 0.5, .chunk = 1000});
  EXPECT_EQ(shorter.size(), 5u + 5 + 127 + 1);
  EXPECT_EQ(shorter[6].first, 1300);
  EXPECT_EQ(shorter[6].kept, 500);
}

// 64 of 4096: 24 words of places, and 64 of floats or 4 of means and 4 of codes. All of a chunk need no places, and six are
// the fewest that codes make shorter: 4 + 1 words.
TEST(SparseWords, AreCountedByHand) {
  struct {
    int64_t size, kept;
    bool two_bits;
    int64_t words;
  } const table[] = {{4096, 64, false, 88}, {4096, 64, true, 32}, {60, 1, false, 2},       {60, 1, true, 2},
                     {60, 60, false, 60},   {60, 60, true, 8},    {4096, 3, false, 2 + 3}, {8, 5, true, 2 + 5},
                     {8, 6, true, 3 + 5},   {1, 1, true, 1}};
  for (const auto& row : table)
    EXPECT_EQ(sparse_words(row.size, row.kept, row.two_bits), row.words) << row.size << " " << row.kept;
}

TEST(Sparse, SendsTheLargestAndOfEqualOnesTheFirst) {
  using Values = std::vector<float>;
  EXPECT_EQ(coded_and_back(chunk_of(5, 2), false, {1, -3, 3, 2, -3}), (Values{0, -3, 3, 0, 0}));
  EXPECT_EQ(coded_and_back(chunk_of(5, 4), false, {1, -3, 3, 2, -3}), (Values{0, -3, 3, 2, -3}));
  EXPECT_EQ(coded_and_back(chunk_of(5, 5), false, {1, -3, 3, 2, -3}), (Values{1, -3, 3, 2, -3}));
  EXPECT_EQ(coded_and_back(chunk_of(3, 1), false, {0, 0, 0}), (Values{0, 0, 0}));
}

// The witness sorts all values by size. Odd numbers of places end within a byte.
TEST(Sparse, FindsPlacesOfTwelveBits) {
  const std::vector<float> v = noise(4096);
  std::vector<size_t> order(v.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return std::fabs(v[a]) > std::fabs(v[b]); });
  for (const int64_t kept : {1, 2, 63, 64, 1001, 4095}) {
    std::vector<float> expected(v.size());
    for (size_t k = 0; k < static_cast<size_t>(kept); ++k) expected[order[k]] = v[order[k]];
    EXPECT_EQ(coded_and_back(chunk_of(4096, kept), false, v), expected) << kept;
  }
}

// 1 … 8: mean 4.5, σ = √6, a step 6σ/4 = 3.674. Distances of −3.5 and −2.5 are −0.95 and −0.68 steps, code 1; those of 2.5
// and 3.5 are code 3; the four between them are code 2. A code stands for the mean of its values.
TEST(TwoBits, ByHand) {
  const std::vector<float> v = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0};
  EXPECT_EQ(coded_and_back(chunk_of(16, 8), true, v),
            (std::vector<float>{1.5, 0, 1.5, 0, 4.5, 0, 4.5, 0, 4.5, 0, 4.5, 0, 7.5, 0, 7.5, 0}));
  EXPECT_EQ(coded_and_back(chunk_of(8, 8), true, std::vector<float>(8, 3)), std::vector<float>(8, 3));
  // One far off is beyond the last code: its distance of 2.5 steps is code 3, alone.
  std::vector<float> far(16, 1);
  far[5] = 100;
  EXPECT_EQ(coded_and_back(chunk_of(16, 16), true, far), far);
}

TEST(TwoBits, KeepTheSum) {
  const std::vector<float> v = noise(500), out = coded_and_back(chunk_of(500, 125), true, v);
  const std::vector<float> kept = coded_and_back(chunk_of(500, 125), false, v);
  EXPECT_NEAR(std::accumulate(out.begin(), out.end(), 0.0), std::accumulate(kept.begin(), kept.end(), 0.0), 1e-4);
  EXPECT_NE(out, kept);
}

TEST(Sparse, WhatIsNotFiniteDoesNotLookLikeANumber) {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    for (const bool two_bits : {false, true}) {
      std::vector<float> v = noise(100);
      v[70] = bad;
      const std::vector<float> out = coded_and_back(chunk_of(100, 10), two_bits, v);
      EXPECT_EQ(std::count_if(out.begin(), out.end(), [](float x) { return std::isnan(x); }), 10);
    }
}

// e ← βe + v; e ← e − s. With β = 1 nothing is lost over 20 messages, with β = ½ the first message's rest is worth 2^−19.
TEST(Sparse, WhatIsLeftOutIsKeptTimesBeta) {
  const std::vector<Layer> layers = {{"bias", 0, 200, {200}}, {"weight", 200, 500, {20, 25}}};
  for (const double beta : {1.0, 0.5}) {
    const MessageLayout layout = message_layout(MessageKind::topk, {.density = 0.1, .values = "2bit"}, layers);
    std::vector<float> words(static_cast<size_t>(layout.words())), residual(700), sent(700);
    std::vector<double> expected(700);  // Σ β^(19−k) (given − sent)
    for (uint64_t k = 0; k < 20; ++k) {
      const std::vector<float> v = noise(700, k);
      encode_sparse(layout, beta, v.data(), nullptr, residual.data(), words.data());
      for (int64_t b = 0; b < layout.blocks(); ++b)
        sparse_decode(layout.chunks[static_cast<size_t>(b)], true, words.data() + layout.word_at(b),
                      sent.data() + layout.value_at(b));
      for (size_t i = 0; i < 700; ++i) expected[i] = beta * expected[i] + v[i] - sent[i];
    }
    double largest = 0;
    for (size_t i = 0; i < 700; ++i) {
      EXPECT_NEAR(residual[i], expected[i], 1e-4) << beta;
      largest = std::max(largest, std::fabs(expected[i]));
    }
    EXPECT_GT(largest, 0.5);
  }
}

}  // namespace
}  // namespace tacet::sparse_test
