// The table of data sets: its rows, their keys and the errors of looking one up.
#include <gtest/gtest.h>

#include "data/text/corpus_batches.h"
#include "support/error_of.h"
#include "support/row_values.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

bool has_key(const Entry& entry, const std::string& key) {
  for (const Option& o : entry.options)
    if (o.name == key) return true;
  return false;
}

TEST(DataTable, HasTheDocumentedRows) {
  std::map<std::string, std::vector<std::string>> names;  // by task
  for (const Entry& e : datasets()) {
    const bool embedded = e.name == "sotu" || e.name == "noise";
    names[e.task].push_back(e.name);
    EXPECT_FALSE(e.summary.empty() || e.paper.empty()) << e.name;
    EXPECT_FALSE(has_key(e, "name")) << e.name;
    EXPECT_EQ(has_key(e, "root"), !embedded) << e.name;
    EXPECT_EQ(e.files.empty(), embedded) << e.name;
  }
  EXPECT_EQ(names["language-model"], (std::vector<std::string>{"sotu", "ptb", "wikitext-2", "wikitext-103", "text"}));
  EXPECT_EQ(names["classification"], (std::vector<std::string>{"mnist", "fashion-mnist", "idx", "cifar-10", "cifar-100",
                                                               "tiny-imagenet", "imagenet", "image-folder", "arrays"}));
  EXPECT_EQ(names["function"], (std::vector<std::string>{"noise"}));
}

// A table's default and TextOptions' must agree, and each must be a value its own key allows.
TEST(DataTable, DefaultsAreThoseOfTextOptions) {
  for (const Entry& e : datasets()) {
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
  }
}

TEST(DataTable, KeysRefuseWhatTheBatchesCannotUse) {
  const struct {
    const char* key;
    Value value;
  } rows[] = {
      {"batch_size", int64_t{0}},  {"bptt", int64_t{1}},
      {"eval_batch", int64_t{0}},  {"partition.kind", std::string("rotated")},
      {"max_tokens", int64_t{-1}}, {"partition.percent", Numbers{50, 0, 50}},
  };
  for (const auto& row : rows)
    for (const Option& o : find_dataset("ptb").options)
      if (o.name == row.key) {
        EXPECT_NE(complaint(o, row.value), std::nullopt) << row.key;
      }
}

TEST(DataTable, NamesTheNearestRow) {
  EXPECT_EQ(find_dataset("wikitext-2").name, "wikitext-2");
  test::expect_mentions(test::error_of([] { find_dataset("wikitext2"); }),
                        {"data.name", "sotu, ptb, wikitext-2", "got \"wikitext2\"", "did you mean \"wikitext-2\"?"});
}

TEST(DataTable, RefusesAnEmptyListOfPercents) {
  Values values = test::row_values(find_dataset("ptb"));
  values.set("partition.percent", Numbers{});
  test::expect_mentions(test::error_of([&] { text_options(values); }), {"data.partition.percent", "empty"});
}

}  // namespace
}  // namespace tacet
