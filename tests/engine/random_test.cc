// Streams: the published test vectors of Philox, and that a stream depends on every part of its key and on nothing else.
#include "tacet/random.h"

#include <cmath>
#include <set>

#include <ATen/core/PhiloxRNGEngine.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tacet {
namespace {

using Block = std::array<uint32_t, 4>;

// Known answers published with Random123 (kat_vectors, philox4x32 10 rounds).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t f = 0xffffffff;
  EXPECT_EQ(philox({f, f, f, f}, {f, f}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// An independent implementation: ATen's engine with the same key and counter.
RC_GTEST_PROP(Philox, AgreesWithAten, (uint64_t seed, uint64_t subsequence, uint32_t offset)) {
  at::philox_engine engine(seed, subsequence, offset);
  const Block block = philox({offset, 0, static_cast<uint32_t>(subsequence), static_cast<uint32_t>(subsequence >> 32)},
                             {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  for (uint32_t word : block) RC_ASSERT(engine() == word);
}

std::vector<uint32_t> first_words(Stream s) {
  std::vector<uint32_t> words(8);
  for (auto& w : words) w = s.bits();
  return words;
}

TEST(Stream, EveryPartOfTheKeyMatters) {
  const std::set<std::vector<uint32_t>> all = {first_words({1, 2, Purpose::shuffle, 3, 4}),
                                               first_words({2, 2, Purpose::shuffle, 3, 4}),
                                               first_words({1ull << 40, 2, Purpose::shuffle, 3, 4}),
                                               first_words({1, 3, Purpose::shuffle, 3, 4}),
                                               first_words({1, 2, Purpose::weight_drop, 3, 4}),
                                               first_words({1, 2, Purpose::shuffle, 4, 4}),
                                               first_words({1, 2, Purpose::shuffle, 3, 5}),
                                               first_words(Stream(1, 2, Purpose::shuffle, 3, 4).part(1)),
                                               first_words({1, Stream::everyone, Purpose::shuffle, 3, 4})};
  EXPECT_EQ(all.size(), 9u);
}

// Small items are parts. What a part has no room for, or no number, is a step of its own.
TEST(Stream, AnItemIsAPartOrAStepOfItsOwn) {
  const Stream s(1, 2, Purpose::initial_weights, 0, 0);
  EXPECT_EQ(first_words(s.item(0, 1)), first_words(s.part(0)));
  EXPECT_EQ(first_words(s.item(255, Stream::part_words)), first_words(s.part(255)));
  EXPECT_EQ(first_words(s.item(256, 1)), first_words({1, 2, Purpose::initial_weights, 0, 257}));
  EXPECT_EQ(first_words(s.item(3, Stream::part_words + 1)), first_words({1, 2, Purpose::initial_weights, 0, 4}));
}

TEST(Stream, SameKeySameNumbersHoweverFarAnotherOneIs) {
  Stream a(7, 1, Purpose::augmentation, 2, 3), b(7, 1, Purpose::augmentation, 2, 3);
  for (int k = 0; k < 1000; ++k) a.bits();
  EXPECT_EQ(first_words(b), first_words({7, 1, Purpose::augmentation, 2, 3}));
}

// Moments over n = 200,000 draws; the bounds are five standard errors (1/√(12n) = 0.00065, 1/√n = 0.0022).
TEST(Stream, UniformAndNormalHaveTheirMoments) {
  Stream s(3, 0, Purpose::gradient_noise, 0, 0);
  const int n = 200'000;
  double sum = 0, mean = 0, square = 0;
  for (int k = 0; k < n; ++k) {
    const double u = s.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    const double z = s.normal();
    mean += z;
    square += z * z;
  }
  EXPECT_NEAR(sum / n, 0.5, 5 * 0.00065);
  EXPECT_NEAR(mean / n, 0, 5 * 0.0022);
  EXPECT_NEAR(square / n, 1, 5 * 0.0032);  // Var z² = 2, √(2/n) = 0.0032
}

RC_GTEST_PROP(Stream, BelowStaysBelow, (uint64_t seed)) {
  const auto n = *rc::gen::inRange<uint64_t>(1, 1000);
  Stream s(seed, 0, Purpose::shuffle, 0, 0);
  for (int k = 0; k < 50; ++k) RC_ASSERT(s.below(n) < n);
}

RC_GTEST_PROP(Stream, PermutationHoldsEveryNumberOnce, (uint64_t seed)) {
  const auto n = *rc::gen::inRange<int64_t>(0, 200);
  auto p = Stream(seed, 5, Purpose::shuffle, 1, 1).permutation(n);
  std::sort(p.begin(), p.end());
  for (int64_t k = 0; k < n; ++k) RC_ASSERT(p[static_cast<size_t>(k)] == k);
}

// Kept with probability 0.75: mean of 100,000 within five standard errors (√(.75·.25/n) = 0.0014).
TEST(Stream, BernoulliKeepsItsShare) {
  std::vector<float> mask(100'000);
  Stream(1, 0, Purpose::weight_drop, 0, 0).fill_bernoulli(mask.data(), 100'000, 0.75, 2.0f);
  double kept = 0;
  for (float m : mask) {
    ASSERT_TRUE(m == 0 || m == 2);
    kept += m / 2;
  }
  EXPECT_NEAR(kept / 100'000, 0.75, 5 * 0.0014);
}

}  // namespace
}  // namespace tacet
