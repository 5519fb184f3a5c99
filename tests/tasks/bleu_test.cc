// BLEU by hand: the tokens of 13a, the counts and the score, each expected number derived beside it.
#include "tasks/bleu.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tacet {
namespace {

using Tokens = std::vector<std::string>;

TEST(Tokens13a, SymbolsStandAloneLettersAndApostrophesStay) {
  EXPECT_EQ(tokens_13a("Hello, world! (It's \"fine\")"),
            (Tokens{"Hello", ",", "world", "!", "(", "It's", "\"", "fine", "\"", ")"}));
  EXPECT_EQ(tokens_13a("a/b [c] x_y {z} 5%"),
            (Tokens{"a", "/", "b", "[", "c", "]", "x", "_", "y", "{", "z", "}", "5", "%"}));
}

// A period or comma stands alone unless digits are on both sides; a dash only after a digit.
TEST(Tokens13a, NumbersKeepTheirPointsAndWordsTheirDashes) {
  EXPECT_EQ(tokens_13a("1,000.5 is 3. and .5 or a.b well-known 1990-95"),
            (Tokens{"1,000.5", "is", "3", ".", "and", ".", "5", "or", "a", ".", "b", "well-known", "1990", "-", "95"}));
}

// " ..": the first pair is (space, period); behind it (period, space) does not start with a non-digit followed by a period.
// Then each period that is still in touch is parted from what follows.
TEST(Tokens13a, RepeatedPeriodsArePartedFromEachOther) {
  EXPECT_EQ(tokens_13a("so.."), (Tokens{"so", ".", "."}));
  EXPECT_EQ(tokens_13a("wait..."), (Tokens{"wait", ".", ".", "."}));
}

TEST(Tokens13a, EntitiesAreReadAndUnicodeSpacesPart) {
  EXPECT_EQ(tokens_13a("&quot;a&amp;b&quot; &lt;x&gt;"), (Tokens{"\"", "a", "&", "b", "\"", "<", "x", ">"}));
  EXPECT_EQ(tokens_13a("caf\xC3\xA9\xC2\xA0"
                       "au\xE3\x80\x80lait <skipped>"),
            (Tokens{"caf\xC3\xA9", "au", "lait"}));
  EXPECT_EQ(tokens_13a(""), Tokens{});
}

BleuCounts counts(const std::vector<std::pair<std::string, std::string>>& pairs) {
  BleuCounts c;
  for (const auto& [system, reference] : pairs) add_sentence(c, system, reference);
  return c;
}

TEST(Bleu, EqualTextsScoreOneHundred) {
  EXPECT_NEAR(bleu(counts({{"a b c d e", "a b c d e"}, {"The cat sat.", "The cat sat."}})), 100, 1e-10);
}

// "the the the the" against "the cat": 1-grams clipped to 1 of 4; no 2-, 3-, 4-gram of 3, 2, 1.
TEST(Bleu, MatchesAreClippedToTheReference) {
  const BleuCounts c = counts({{"the the the the", "the cat"}});
  EXPECT_EQ(c.matches, (std::array<double, 4>{1, 0, 0, 0}));
  EXPECT_EQ(c.total, (std::array<double, 4>{4, 3, 2, 1}));
  // Precisions 1/4, and smoothed 1/(2·3), 1/(4·2), 1/(8·1); no brevity penalty.
  EXPECT_NEAR(bleu(c), 100 * std::pow(1.0 / 4 / 6 / 8 / 8, 0.25), 1e-10);
}

// System "It is a small dog ." (6 tokens), reference "It is a very small dog , yes ." (9): 1-grams 6 of 6; 2-grams it-is,
// is-a, small-dog: 3 of 5; 3-grams it-is-a: 1 of 4; 4-grams 0 of 3, smoothed to 1/2. Brevity exp(1 − 9/6).
TEST(Bleu, ShortTextsPayForBrevity) {
  const BleuCounts c = counts({{"It is a small dog.", "It is a very small dog, yes."}});
  EXPECT_EQ(c.system, 6);
  EXPECT_EQ(c.reference, 9);
  EXPECT_EQ(c.matches, (std::array<double, 4>{6, 3, 1, 0}));
  EXPECT_NEAR(bleu(c), 100 * std::exp(1 - 9.0 / 6) * std::pow(1.0 * (3.0 / 5) * (1.0 / 4) * (0.5 / 3), 0.25), 1e-10);
}

// Sums over sentences, not a mean of scores: 1-grams 4 + 1 of 4 + 4, 2-grams 3 + 0 of 3 + 3, 3-grams 2 of 4, 4-grams 1 of 2.
TEST(Bleu, CountsAddUpOverSentences) {
  const BleuCounts c = counts({{"a b c d", "a b c d"}, {"x y z d", "p q r d"}});
  EXPECT_EQ(c.matches, (std::array<double, 4>{5, 3, 2, 1}));
  EXPECT_NEAR(bleu(c), 100 * std::pow(5.0 / 8 * 3 / 6 * 2 / 4 * 1 / 2, 0.25), 1e-10);
}

TEST(Bleu, CaseCounts) { EXPECT_EQ(counts({{"The", "the"}}).matches[0], 0); }

TEST(Bleu, NothingInCommonOrNothingSaidIsZero) {
  EXPECT_EQ(bleu(counts({{"a b c d e", "f g h i j"}})), 0);
  EXPECT_EQ(bleu(counts({{"", "a b"}})), 0);
  EXPECT_EQ(bleu(counts({{"a b c", "a b c"}})), 0);  // no 4-gram at all: the geometric mean is 0
}

TEST(Bleu, PackingKeepsEveryCount) {
  const BleuCounts c = counts({{"a b c d x", "a b c d e f"}});
  const BleuCounts back = unpack(pack(c));
  EXPECT_EQ(pack(back), pack(c));
  EXPECT_EQ(pack(c), (std::vector<double>{5, 6, 4, 3, 2, 1, 5, 4, 3, 2}));
}

}  // namespace
}  // namespace tacet
