// Ranges, messages and TOML text of single option values, and the search for likely misspellings.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tacet/options.h"

namespace tacet {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

Option number(double min, bool min_open, double max = inf, bool max_open = false) {
  return {.name = "x", .doc = "", .min = min, .max = max, .min_open = min_open, .max_open = max_open};
}
Option integer(double min, double max = inf) {
  return {.name = "n", .kind = Kind::integer, .doc = "", .min = min, .max = max};
}
Option word(std::vector<std::string> one_of) {
  return {.name = "w", .kind = Kind::text, .doc = "", .one_of = std::move(one_of)};
}
Option list(double min, bool ascending) {
  return {.name = "l", .kind = Kind::numbers, .doc = "", .min = min, .min_open = true, .ascending = ascending};
}
Value text(const char* s) { return std::string(s); }

struct Judged {
  Option option;
  Value value;
  std::string complaint;  // empty: none
};

TEST(Complaint, names_allowed_and_given) {
  const Judged cases[] = {
      {number(0, true), 0.5, ""},
      {number(0, true), -1.0, "must be > 0, got -1"},
      {number(0, true), 0.0, "must be > 0, got 0"},
      {number(0, false), 0.0, ""},
      {number(0, false), -0.25, "must be >= 0, got -0.25"},
      {number(0, false, 1, true), 1.0, "must be >= 0 and < 1, got 1"},
      {number(0, true, 1, false), 1.0, ""},
      {number(0, true, 1, false), 1.5, "must be > 0 and <= 1, got 1.5"},
      {number(-inf, false), -1e300, ""},
      {number(0, true), inf, ""},                                            // a closed infinite bound allows infinity
      {number(0, true, inf, true), inf, "must be finite and > 0, got inf"},  // an open one does not
      {number(-inf, true, inf, true), -inf, "must be finite, got -inf"},
      {number(0, true, 1, false), inf, "must be finite and > 0 and <= 1, got inf"},
      {number(-inf, false), std::nan(""), "must be a number, got nan"},
      {number(0, true), true, "must be a number, got true"},
      {number(0, true), text("3"), "must be a number, got the string \"3\""},
      {number(0, true), Numbers{1, 2.5}, "must be a number, got the list [1.0, 2.5]"},
      {integer(1), int64_t{1}, ""},
      {integer(1), int64_t{0}, "must be >= 1, got 0"},
      {integer(1, 9), int64_t{10}, "must be >= 1 and <= 9, got 10"},
      {integer(1, 1e9), int64_t{0}, "must be >= 1 and <= 1000000000, got 0"},
      {integer(1), text("3"), "must be an integer, got the string \"3\""},
      {integer(1), 3.0, "must be an integer, got 3.0 (write 3)"},
      {integer(1), 3.5, "must be an integer, got 3.5"},
      {integer(1), inf, "must be an integer, got inf"},
      {integer(0), 0x1p63, "must be an integer >= 0 and <= 9223372036854775807, got 9223372036854775808"},
      {integer(1, 9), -0x1p63, "must be an integer >= 1 and <= 9, got -9223372036854775808"},
      {{.name = "f", .kind = Kind::flag, .doc = ""}, true, ""},
      {{.name = "f", .kind = Kind::flag, .doc = ""}, int64_t{1}, "must be true or false, got 1"},
      {word({}), text("anything"), ""},
      {word({}), int64_t{7}, "must be a string, got 7"},
      {word({}), text("D:\temp"),
       std::string("must have no tabs, line ends or other control characters, got \"D:\\temp\"") + kBackslashAdvice},
      {word({"a", "b"}), text("b"), ""},
      {word({"a"}), text("c"), "must be \"a\", got \"c\""},
      {word({"a", "b"}), text("c"), "must be \"a\" or \"b\", got \"c\""},
      {word({"a", "b", "c"}), text("d\n"), "must be \"a\", \"b\" or \"c\", got \"d\\n\""},
      {list(0, true), Numbers{}, ""},
      {list(0, true), Numbers{1, 2}, ""},
      {list(0, true), Numbers{2, 1}, "must be in ascending order, got 1 after 2"},
      {list(0, true), Numbers{2, 2}, "must be in ascending order, got 2 after 2"},
      {list(0, false), Numbers{2, 1}, ""},
      {list(0, false), Numbers{2, 0}, "must hold numbers > 0, got 0"},
      {list(0, false), Numbers{std::nan("")}, "must hold numbers, got nan"},
      {list(0, false), 1.0, "must be a list of numbers, got 1.0"},
  };
  for (const Judged& c : cases) EXPECT_EQ(complaint(c.option, c.value).value_or(""), c.complaint) << to_toml(c.value);
}

TEST(Complaint, cuts_long_texts_between_characters) {
  // 79 letters and one of two bytes: a cut after 80 bytes would split it.
  const std::string given = std::string(79, 'a') + "é and more";
  EXPECT_EQ(complaint(integer(1), given), "must be an integer, got the string \"" + std::string(79, 'a') + "…\"");
}

TEST(Describe, says_range_and_default) {
  Option half = number(0, true, inf, true);
  half.fallback = 0.5;
  EXPECT_EQ(describe(half), "number > 0, default 0.5");
  EXPECT_EQ(describe(number(0, true)), "number > 0, or inf, required");
  Option optional = integer(1);
  optional.required = false;
  EXPECT_EQ(describe(optional), "integer >= 1, optional");
  Option choice = word({"a", "b"});
  choice.fallback = text("a");
  EXPECT_EQ(describe(choice), "\"a\" or \"b\", default \"a\"");
  Option steps = list(0, true);
  steps.fallback = Numbers{};
  EXPECT_EQ(describe(steps), "list of numbers > 0, ascending, default []");
}

TEST(ToToml, writes_every_kind) {
  EXPECT_EQ(to_toml(true), "true");
  EXPECT_EQ(to_toml(int64_t{-3}), "-3");
  EXPECT_EQ(to_toml(30.0), "30.0");  // a float keeps its point, or it would read back as an integer
  EXPECT_EQ(to_toml(1.2e-6), "1.2e-06");
  EXPECT_EQ(to_toml(1e22), "1e+22");
  EXPECT_EQ(to_toml(-inf), "-inf");
  EXPECT_EQ(to_toml(text("a \"b\"\\\t\x01\x7fé")), "\"a \\\"b\\\"\\\\\\t\\u0001\\u007Fé\"");
  EXPECT_EQ(to_toml(Numbers{80, 120.5}), "[80.0, 120.5]");
  EXPECT_EQ(to_toml(Numbers{}), "[]");
}

RC_GTEST_PROP(ToToml, doubles_round_trip, (uint64_t bits)) {
  double v = 0;
  std::memcpy(&v, &bits, sizeof v);
  RC_PRE(!std::isnan(v));
  const std::string toml = to_toml(v);
  RC_ASSERT(std::strtod(toml.c_str(), nullptr) == v);
  RC_ASSERT(toml.find_first_of(".ei") != std::string::npos);
}

TEST(Nearest, finds_likely_misspellings_only) {
  const std::vector<std::string> keys = {"eta", "gamma", "interval", "momentum", "weight_decay"};
  EXPECT_EQ(nearest("gama", keys), "gamma");   // a letter left out
  EXPECT_EQ(nearest("gmama", keys), "gamma");  // two letters swapped count as one mistake
  EXPECT_EQ(nearest("weight-decay", keys), "weight_decay");
  EXPECT_EQ(nearest("Eta", keys), "eta");  // case does not count
  EXPECT_EQ(nearest("etaa", keys), "eta");
  EXPECT_EQ(nearest("intervall", keys), "interval");
  EXPECT_EQ(nearest("lr", keys), std::nullopt);
  EXPECT_EQ(nearest("e", keys), std::nullopt);
  EXPECT_EQ(nearest("", keys), std::nullopt);
  EXPECT_EQ(nearest("decay_of_weights", keys), std::nullopt);
  EXPECT_EQ(nearest(std::string(100000, 'x'), keys), std::nullopt);
  EXPECT_EQ(nearest("b", {"a"}), std::nullopt);      // its only letter is wrong
  EXPECT_EQ(nearest("axc", {"abc", "axd"}), "abc");  // a tie goes to the first
}

RC_GTEST_PROP(Nearest, finds_a_word_with_one_letter_changed, ()) {
  const std::vector<std::string> keys = {"eta", "gamma", "interval", "momentum", "weight_decay"};
  std::string word = *rc::gen::elementOf(keys);
  const std::string meant = word;
  word[*rc::gen::inRange<size_t>(0, word.size())] = '?';
  RC_ASSERT(nearest(word, keys) == meant);
}

TEST(ValuesTest, reading_what_is_not_there_is_a_defect) {
  Values values;
  values.set("eta", 0.5);
  EXPECT_EQ(values.number("eta"), 0.5);
  EXPECT_THROW((void)values.integer("eta"), std::logic_error);
  EXPECT_THROW((void)values.number("gamma"), std::logic_error);
}

}  // namespace
}  // namespace tacet
