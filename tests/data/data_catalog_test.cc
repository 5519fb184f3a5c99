// The table of data sets: its rows, their keys and the errors of looking one up.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "data/text/corpus_batches.h"
#include "support/error_of.h"
#include "support/row_values.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

bool has_key(const DatasetInfo& entry, const std::string& key) {
  for (const Option& o : entry.options)
    if (o.name == key) return true;
  return false;
}

TEST(DataTable, EveryRowIsWhole) {
  std::set<std::string> names;
  for (const DatasetInfo& e : datasets()) {
    EXPECT_TRUE(names.insert(e.name).second) << e.name;
    EXPECT_FALSE(e.summary.empty() || e.paper.empty() || e.task.empty()) << e.name;
    EXPECT_FALSE(has_key(e, "name")) << e.name;
    EXPECT_EQ(has_key(e, "root"), !e.files.empty()) << e.name;
    EXPECT_EQ(static_cast<bool>(e.images), e.task == "classification") << e.name;
    EXPECT_EQ(static_cast<bool>(e.corpus), e.task == "language-model") << e.name;
    std::set<std::string> keys;
    for (const Option& o : e.options) EXPECT_TRUE(keys.insert(o.name).second) << e.name << " " << o.name;
  }
}

// The key that makes an option used is one of the row, and the values that do so are values it allows.
TEST(DataTable, ConditionsOfUseNameKeysOfTheRow) {
  int conditions = 0;
  for (const DatasetInfo& e : datasets())
    for (const Option& o : e.options)
      for (const OnlyWith& condition : o.only_with) {
        ++conditions;
        const auto at = std::find_if(e.options.begin(), e.options.end(),
                                     [&](const Option& other) { return other.name == condition.key; });
        ASSERT_NE(at, e.options.end()) << e.name << " " << o.name << ": " << condition.key;
        for (const Value& value : condition.values)
          EXPECT_EQ(complaint(*at, value), std::nullopt) << e.name << " " << o.name;
      }
  EXPECT_GT(conditions, 0);
}

TEST(DataTable, RefusesRowsThatAreNotWhole) {
  EXPECT_THROW(add_dataset({.name = "mnist", .task = "none"}), std::logic_error);
  EXPECT_THROW(add_dataset({.name = "mine", .task = "classification"}), std::logic_error);
  EXPECT_THROW(add_dataset({.name = "mine", .task = "language-model"}), std::logic_error);
  EXPECT_THROW(find_dataset("mine"), UserError);
}

// A table's default and TextOptions' must agree, and each must be a value its own key allows.
TEST(DataTable, DefaultsAreThoseOfTextOptions) {
  for (const DatasetInfo& e : datasets()) {
    for (const Option& o : e.options) {
      EXPECT_TRUE(o.fallback || !o.required) << e.name << " " << o.name;
      if (o.fallback) {
        EXPECT_EQ(complaint(o, *o.fallback), std::nullopt) << e.name << " " << o.name;
      }
    }
    if (e.task != "language-model") continue;
    const TextOptions got = text_options(test::row_values(e)), want;
    EXPECT_EQ(got.batch_size, want.batch_size);
    EXPECT_EQ(got.bptt, want.bptt);
    EXPECT_EQ(got.random_lengths, want.random_lengths);
    EXPECT_EQ(got.eval_batch, want.eval_batch);
    EXPECT_EQ(got.partition, want.partition);
    EXPECT_EQ(got.percent, want.percent);
    EXPECT_EQ(got.max_tokens, want.max_tokens);
    EXPECT_EQ(got.max_eval_tokens, want.max_eval_tokens);
  }
}

TEST(DataTable, KeysRefuseWhatTheBatchesCannotUse) {
  const struct {
    const char* key;
    Value value;
  } rows[] = {
      {"batch_size", int64_t{0}},       {"bptt", int64_t{1}},
      {"eval_batch", int64_t{0}},       {"partition.kind", std::string("rotated")},
      {"max_tokens", int64_t{-1}},      {"partition.percent", Numbers{50, 0, 50}},
      {"max_eval_tokens", int64_t{-1}},
  };
  for (const auto& row : rows)
    for (const Option& o : find_dataset("ptb").options)
      if (o.name == row.key) {
        EXPECT_NE(complaint(o, row.value), std::nullopt) << row.key;
      }
}

TEST(DataTable, NamesTheNearestRow) {
  std::string names;
  for (const DatasetInfo& e : datasets()) names += (names.empty() ? "" : ", ") + e.name;
  test::expect_mentions(test::error_of([] { find_dataset("wikitext2"); }),
                        {"data.name", names, "got \"wikitext2\"", "did you mean \"wikitext-2\"?"});
}

TEST(DataTable, RefusesAnEmptyListOfPercents) {
  Values values = test::row_values(find_dataset("ptb"));
  values.set("partition.percent", Numbers{});
  test::expect_mentions(test::error_of([&] { text_options(values); }), {"data.partition.percent", "empty"});
}

}  // namespace
}  // namespace tacet
