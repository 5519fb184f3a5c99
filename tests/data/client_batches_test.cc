// Partitions of labelled examples over clients, and the passes of each client over its own.
#include "data/client_batches.h"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <numeric>

#include "data/fixtures.h"
#include "data/partition.h"

namespace tacet {
namespace {

using Indices = std::vector<int64_t>;

Values keys(const std::string& kind, double similarity, int64_t seed = 1) {
  Values v;
  v.set("partition.kind", kind);
  v.set("partition.similarity", similarity);
  v.set("partition.seed", seed);
  return v;
}

Indices all_of(const Partition& p) {
  Indices all;
  for (const auto& mine : p.clients) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  return all;
}

RC_GTEST_PROP(SplitAmongClients, EveryExampleHasOneClientAndSharesAreEqual, ()) {
  const int clients = *rc::gen::inRange(1, 9);
  const Indices labels = *rc::gen::resize(200, rc::gen::container<Indices>(rc::gen::inRange<int64_t>(0, 4)));
  RC_PRE(static_cast<int>(labels.size()) >= clients);
  const double similarity = *rc::gen::inRange(0, 101);
  const Partition p = make_partition(keys("similarity", similarity), labels, {}, clients);
  Indices want(labels.size());
  std::iota(want.begin(), want.end(), 0);
  RC_ASSERT(all_of(p) == want);
  // Each of the two pools is dealt evenly, so two clients differ by at most one example of each.
  size_t least = labels.size(), most = 0;
  for (const auto& mine : p.clients) least = std::min(least, mine.size()), most = std::max(most, mine.size());
  RC_ASSERT(most - least <= 2);
}

// With 0 % at random, 12 examples of 3 labels in turn over 3 clients: client i has exactly the examples of label i.
TEST(SplitAmongClients, WithoutSimilarityClientsHoldBlocksOfTheSortedLabels) {
  const Indices labels = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
  const Partition p = make_partition(keys("similarity", 0), labels, {}, 3);
  EXPECT_EQ(p.clients, (std::vector<Indices>{{0, 3, 6, 9}, {1, 4, 7, 10}, {2, 5, 8, 11}}));
}

// 1000 examples, 2 labels, 30 %: 150 of each client are random and the other 350 of one label. Of 500 examples of label 0
// about 150 went to the random pool, half of them to each client: client 0 has about 350 + 75 = 425 of label 0.
TEST(SplitAmongClients, ThirtyPercentAreMixed) {
  Indices labels(1000);
  for (size_t k = 0; k < labels.size(); ++k) labels[k] = k % 2;
  const Partition p = make_partition(keys("similarity", 30), labels, {}, 2);
  const auto zeros = std::count_if(p.clients[0].begin(), p.clients[0].end(), [&](int64_t k) { return labels[k] == 0; });
  EXPECT_NEAR(static_cast<double>(zeros), 425, 25);
}

// Users by positive rate: user 1 (0 of 2), user 2 (1 of 2), user 0 (2 of 2).
TEST(SplitAmongClients, UsersAreSortedByPositiveRateAndStayTogether) {
  const Indices labels = {1, 0, 0, 1, 0, 1}, users = {0, 1, 2, 0, 1, 2};
  const Partition p = make_partition(keys("similarity", 0), labels, users, 3);
  EXPECT_EQ(p.clients, (std::vector<Indices>{{1, 4}, {2, 5}, {0, 3}}));
}

TEST(SplitAmongClients, DependsOnItsSeed) {
  const Indices labels(100, 0);
  const auto split = [&](int64_t seed) { return make_partition(keys("iid", 100, seed), labels, {}, 2).clients; };
  EXPECT_EQ(split(1), split(1));
  EXPECT_NE(split(1), split(2));
}

TEST(SplitAmongClients, NeedsAnExampleForEveryClient) {
  expect_mentions(complaint_of([] { make_partition(keys("iid", 100), Indices(3, 0), {}, 4); }), {"clients.count", "4", "3"});
}

// ---- passes ----

Draw draw_of(int client, uint64_t seed = 1) { return {.seed = seed, .client = client}; }

TEST(ClientPasses, SeeEveryExampleOnceInAnotherOrderEachTime) {
  ClientBatches b({{5, 6, 7, 8, 9, 10, 11}, {1}}, 3);
  const auto pass = [&] {
    Indices seen;
    for (const size_t size : {3u, 3u, 1u}) {
      const Indices batch = b.next(draw_of(0));
      EXPECT_EQ(batch.size(), size);
      seen.insert(seen.end(), batch.begin(), batch.end());
    }
    return seen;
  };
  Indices first = pass(), second = pass();
  EXPECT_NE(first, second);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  EXPECT_EQ(first, (Indices{5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(second, first);
  EXPECT_EQ(b.next(draw_of(1)), (Indices{1}));
  EXPECT_EQ(b.examples(), 8);
  EXPECT_DOUBLE_EQ(b.client_weight(0), 7 / 4.0);
}

// Copies what it is shown, or puts it back.
struct Copy : StateVisitor {
  std::map<int, Vec> saved;
  bool restore = false;
  void global(const std::string&, Vec&) override {}
  void number(const std::string&, double&) override {}
  void clients(const std::string&, PerClient& v) override {
    if (restore)
      for (auto& [client, value] : saved) v.all()[client] = value.clone();
    else
      for (auto& [client, value] : v.all()) saved[client] = value.clone();
  }
};

TEST(ClientPasses, GoOnWhereTheyStopped) {
  const std::vector<Indices> split = {{0, 1, 2, 3, 4}, {5, 6, 7}};
  ClientBatches whole(split, 2), cut(split, 2), rest(split, 2);
  for (int k = 0; k < 4; ++k) {  // 2 batches of pass 1 are left to come for client 0
    whole.next(draw_of(0));
    cut.next(draw_of(0));
  }
  Copy state;
  cut.state(state);
  EXPECT_EQ(state.saved.size(), 1u);  // client 1 has not drawn anything
  state.restore = true;
  rest.state(state);
  for (int k = 0; k < 5; ++k) {
    EXPECT_EQ(whole.next(draw_of(0)), rest.next(draw_of(0)));
    EXPECT_EQ(whole.next(draw_of(1)), rest.next(draw_of(1)));
  }
}

}  // namespace
}  // namespace tacet
