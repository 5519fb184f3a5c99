// Who gets which sample: that each kind deals every sample once, and that it makes clients differ in the way it says.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "data/clients/client_batches.h"
#include "data/clients/partition.h"
#include "support/error_of.h"

namespace tacet {
namespace {

// n labels 0, 1, …, classes − 1, 0, 1, …
std::vector<int32_t> cyclic(int n, int classes) {
  std::vector<int32_t> labels(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) labels[static_cast<size_t>(i)] = i % classes;
  return labels;
}

PartitionOptions of(const std::string& kind) {
  PartitionOptions o;
  o.kind = kind;
  return o;
}

std::set<int32_t> classes_of(const std::vector<int32_t>& share, const std::vector<int32_t>& labels) {
  std::set<int32_t> found;
  for (const int32_t i : share) found.insert(labels[static_cast<size_t>(i)]);
  return found;
}

struct Deal {
  PartitionOptions options;
  std::vector<int32_t> labels, users;
  int clients;
  Shares shares() const { return partition(options, labels, users, clients); }
};

// Any kind with labels, users and clients that it can serve.
Deal any_deal() {
  Deal d;
  d.clients = *rc::gen::inRange(1, 12);
  const int classes = *rc::gen::inRange(1, d.clients + 1), n = *rc::gen::inRange(60, 400);
  for (int i = 0; i < n; ++i) d.labels.push_back(*rc::gen::inRange(0, classes));
  if (*rc::gen::arbitrary<bool>())
    for (int i = 0; i < n; ++i) d.users.push_back(i < d.clients ? i : *rc::gen::inRange(0, 20));
  std::vector<std::string> kinds = {"iid", "similarity", "one-class", "classes", "dirichlet", "percent"};
  if (!d.users.empty()) kinds.push_back("users");
  d.options.kind = *rc::gen::elementOf(kinds);
  d.options.similarity = *rc::gen::inRange(0, 101);
  d.options.classes = *rc::gen::inRange(1, 5);
  d.options.alpha = *rc::gen::element(0.001, 0.1, 1.0, 100.0);
  d.options.percent.assign(static_cast<size_t>(d.clients), 100.0 / d.clients);
  d.options.seed = *rc::gen::arbitrary<uint64_t>();
  return d;
}

RC_GTEST_PROP(PartitionProperty, EverySampleIsDealtOnceAndNobodyIsEmpty, ()) {
  const Deal d = any_deal();
  std::vector<int> times(d.labels.size());
  const Shares shares = d.shares();
  RC_ASSERT(static_cast<int>(shares.size()) == d.clients);
  for (const auto& share : shares) {
    RC_ASSERT(!share.empty());
    for (const int32_t i : share) ++times.at(static_cast<size_t>(i));
  }
  for (const int t : times) RC_ASSERT(t == 1);
}

RC_GTEST_PROP(PartitionProperty, IsAFunctionOfItsSeed, ()) {
  const Deal d = any_deal();
  RC_ASSERT(d.shares() == d.shares());
}

// Users kept whole: no user has samples with two clients.
RC_GTEST_PROP(PartitionProperty, UsersStayWhole, ()) {
  Deal d = any_deal();
  RC_PRE(!d.users.empty());
  d.options.kind = "users";
  std::map<int32_t, std::set<size_t>> homes;
  const Shares shares = d.shares();
  for (size_t c = 0; c < shares.size(); ++c)
    for (const int32_t i : shares[c]) homes[d.users[static_cast<size_t>(i)]].insert(c);
  for (const auto& [user, clients] : homes) RC_ASSERT(clients.size() == 1u);
}

// The equal kinds: sizes differ by at most one a pool (iid one pool, similarity two).
RC_GTEST_PROP(PartitionProperty, EqualKindsGiveEqualShares, ()) {
  Deal d = any_deal();
  d.options.kind = *rc::gen::element<std::string>("iid", "similarity");
  size_t least = d.labels.size(), most = 0;
  for (const auto& share : d.shares()) {
    least = std::min(least, share.size());
    most = std::max(most, share.size());
  }
  RC_ASSERT(most - least <= (d.options.kind == "iid" ? 1u : 2u));
}

TEST(Partition, AnotherSeedAndAnotherRoundAreOtherDeals) {
  const auto labels = cyclic(100, 5);
  PartitionOptions o = of("iid"), other = o;
  other.seed = 2;
  EXPECT_NE(partition(o, labels, {}, 4), partition(other, labels, {}, 4));
  EXPECT_NE(partition(o, labels, {}, 4, 0), partition(o, labels, {}, 4, 1));
}

TEST(Partition, IidMixesClasses) {
  const auto labels = cyclic(1000, 4);
  for (const auto& share : partition(of("iid"), labels, {}, 10)) EXPECT_EQ(classes_of(share, labels).size(), 4u);
}

// 1,000 samples of 10 classes, 10 clients, s = 0: the sorted list is cut where the classes change, so each client has one.
TEST(Partition, NoSimilarityIsSortedBlocks) {
  const auto labels = cyclic(1000, 10);
  const Shares shares = partition(of("similarity"), labels, {}, 10);
  for (size_t c = 0; c < shares.size(); ++c)
    EXPECT_EQ(classes_of(shares[c], labels), std::set<int32_t>{static_cast<int32_t>(c)});
}

// s = 30: 300 of 1,000 are dealt iid, so client c has 30 of any class and 70 of the sorted rest; the rest holds about 70 of
// each class, so at least 70 − (its neighbours' surplus) are of class c.
TEST(Partition, SimilarityMixesAShareOfTheData) {
  const auto labels = cyclic(1000, 10);
  PartitionOptions o = of("similarity");
  o.similarity = 30;
  double own = 0;
  for (const auto& share : partition(o, labels, {}, 10)) {
    EXPECT_EQ(share.size(), 100u);
    std::map<int32_t, int> histogram;
    for (const int32_t i : share) ++histogram[labels[static_cast<size_t>(i)]];
    EXPECT_GE(histogram.size(), 7u);  // 30 iid draws miss about 10·0.9^30 = 0.4 of 10 classes
    int largest = 0;
    for (const auto& [label, count] : histogram) largest = std::max(largest, count);
    own += largest;
  }
  EXPECT_NEAR(own / 10, 70 + 3, 8);  // one class leads: 70 sorted and a tenth of 30, less what borders cost
}

TEST(Partition, FullSimilarityIsIid) {
  const auto labels = cyclic(1000, 4);
  PartitionOptions o = of("similarity");
  o.similarity = 100;
  for (const auto& share : partition(o, labels, {}, 10)) EXPECT_EQ(classes_of(share, labels).size(), 4u);
}

// User 0 has 8 samples, half of them positive; user 1 has 2, both positive; user 2 has 6, none. Sorted by rate they are 2,
// 0, 1 (by the number of positives it would be 2, 1, 0), so two clients get 6 of user 2 and 2 of user 0, and 6 of user 0 and
// 2 of user 1.
TEST(Partition, WithUsersTheRestIsSortedByTheirPositiveRate) {
  const std::vector<int32_t> labels = {1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0};
  const std::vector<int32_t> users = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2};
  const Shares shares = partition(of("similarity"), labels, users, 2);
  std::vector<std::map<int32_t, int>> counts(2);
  for (size_t c = 0; c < 2; ++c)
    for (const int32_t i : shares[c]) ++counts[c][users[static_cast<size_t>(i)]];
  EXPECT_EQ(counts[0], (std::map<int32_t, int>{{0, 2}, {2, 6}}));
  EXPECT_EQ(counts[1], (std::map<int32_t, int>{{0, 6}, {1, 2}}));
}

// 25 clients, 10 classes of 100: classes 0 … 4 have 3 clients (33, 33, 34 samples), the others 2 (50 each).
TEST(Partition, OneClassAClient) {
  const auto labels = cyclic(1000, 10);
  std::map<size_t, int> sizes;
  std::map<int32_t, int> clients_of;
  for (const auto& share : partition(of("one-class"), labels, {}, 25)) {
    const auto classes = classes_of(share, labels);
    ASSERT_EQ(classes.size(), 1u);
    ++clients_of[*classes.begin()];
    ++sizes[share.size()];
  }
  for (int32_t c = 0; c < 10; ++c) EXPECT_EQ(clients_of[c], c < 5 ? 3 : 2);
  EXPECT_EQ(sizes, (std::map<size_t, int>{{33, 10}, {34, 5}, {50, 10}}));
}

// 10 clients with 2 shards each: 20 shards of 50 of 1,000 samples, two a class, so no shard lies at a border.
TEST(Partition, ShardsGiveAFewClasses) {
  const auto labels = cyclic(1000, 10);
  bool two = false;
  for (const auto& share : partition(of("classes"), labels, {}, 10)) {
    EXPECT_EQ(share.size(), 100u);
    EXPECT_LE(classes_of(share, labels).size(), 2u);
    two = two || classes_of(share, labels).size() == 2;
  }
  EXPECT_TRUE(two);
}

// The largest share of a Dirichlet(α) vector over 10: near 1 for α = 0.01, near 1/10 for α = 1,000 (deviation of a share is
// √(0.1·0.9/10001) = 0.003).
TEST(Partition, DirichletConcentratesAsAlphaFalls) {
  const auto labels = cyclic(10000, 10);
  const auto largest = [&](double alpha) {
    PartitionOptions o = of("dirichlet");
    o.alpha = alpha;
    const Shares shares = partition(o, labels, {}, 10);
    double sum = 0;
    for (int32_t c = 0; c < 10; ++c) {
      double most = 0;
      for (const auto& share : shares)
        most = std::max(most, static_cast<double>(std::count_if(share.begin(), share.end(), [&](int32_t i) {
                          return labels[static_cast<size_t>(i)] == c;
                        })));
      sum += most / 1000;
    }
    return sum / 10;
  };
  EXPECT_GT(largest(0.01), 0.9);
  EXPECT_NEAR(largest(1000), 0.1, 0.015);
}

// A share of Dirichlet(α·1_N) has mean 1/N and variance (N−1)/(N²(Nα+1)): with N = 4 and α = 0.5, 3/(16·3) = 1/16. Over
// 3,000 classes of 50 samples, shares of classes are independent: standard errors √(1/16/3000) = 0.0046 and about 0.0016;
// rounding to fiftieths adds 1/12/50² to the variance.
TEST(Partition, DirichletHasTheMomentsOfItsDefinition) {
  const auto labels = cyclic(150000, 3000);
  PartitionOptions o = of("dirichlet");
  o.alpha = 0.5;
  const Shares shares = partition(o, labels, {}, 4);
  for (const auto& share : shares) {
    std::vector<double> part(3000);
    for (const int32_t i : share) part[static_cast<size_t>(labels[static_cast<size_t>(i)])] += 1.0 / 50;
    double mean = 0, square = 0;
    for (const double p : part) mean += p / 3000, square += p * p / 3000;
    EXPECT_NEAR(mean, 0.25, 0.02);
    EXPECT_NEAR(square - mean * mean, 1.0 / 16, 0.007);
  }
}

TEST(Partition, PercentCutsTheFilesOrder) {
  PartitionOptions o = of("percent");
  o.percent = {10, 30, 60};
  const Shares shares = partition(o, cyclic(1000, 3), {}, 3);
  const int32_t first[] = {0, 100, 400}, size[] = {100, 300, 600};
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(shares[c].front(), first[c]);
    EXPECT_EQ(shares[c].size(), static_cast<size_t>(size[c]));
  }
}

TEST(Partition, SaysWhatDoesNotFit) {
  const auto labels = cyclic(100, 10);
  const auto complain = [&](const PartitionOptions& o, int clients) {
    return test::error_of([&] { partition(o, labels, {}, clients); });
  };
  test::expect_mentions(complain(of("iid"), 101), {"clients.count must be <= the 100 training samples", "got 101"});
  test::expect_mentions(complain(of("one-class"), 9), {"number of classes, 10", "one-class", "got 9"});
  test::expect_mentions(complain(of("users"), 2), {"users", "none"});
  PartitionOptions o = of("percent");
  o.percent = {50, 50};
  test::expect_mentions(complain(o, 3), {"data.partition.percent", "clients.count is 3", "got 2"});
  o.percent = {50, 40};
  test::expect_mentions(complain(o, 2), {"sum 100", "got 90"});
  o = of("classes");
  o.classes = 60;
  test::expect_mentions(complain(o, 2), {"data.partition.classes", "got 60 × 2"});
  test::expect_mentions(test::error_of([&] { partition(of("users"), labels, cyclic(100, 3), 4); }), {"users, 3", "got 4"});
}

// ---- batches ----

BatchKey at_step(int client, int64_t round, int64_t step) { return {7, client, round, step, 0}; }

RC_GTEST_PROP(ClientBatchesProperty, APassServesEverySampleOnceAndBatchesAreFull, ()) {
  const auto size = *rc::gen::inRange<int64_t>(1, 50), B = *rc::gen::inRange<int64_t>(1, 20);
  Shares shares(2);
  for (int64_t i = 0; i < size; ++i) shares[1].push_back(static_cast<int32_t>(100 + i));
  shares[0] = {1};
  ClientBatches batches(shares, B);
  std::vector<int32_t> all;
  for (int64_t k = 0; k < 3 * size; ++k) {
    const auto batch = batches.next(at_step(1, k, 0));
    RC_ASSERT(static_cast<int64_t>(batch.size()) == B);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  // 3·size·B samples are 3·B whole passes.
  for (int64_t pass = 0; pass < 3 * B; ++pass) {
    std::set<int32_t> seen(all.begin() + pass * size, all.begin() + (pass + 1) * size);
    RC_ASSERT(static_cast<int64_t>(seen.size()) == size && *seen.begin() == 100);
  }
}

// A Position is all there is to a client: put into another object, it goes on with the same batches.
RC_GTEST_PROP(ClientBatchesProperty, ARestoredPositionContinuesIdentically, ()) {
  Shares shares = partition(of("iid"), cyclic(60, 3), {}, 3);
  const auto B = *rc::gen::inRange<int64_t>(1, 50);
  const int before = *rc::gen::inRange(0, 20);
  ClientBatches whole(shares, B), resumed(shares, B);
  for (int k = 0; k < before; ++k) whole.next(at_step(2, k, 0));
  resumed.move_to(2, whole.position(2));
  for (int k = 0; k < 10; ++k) RC_ASSERT(whole.next(at_step(2, before + k, 0)) == resumed.next(at_step(2, before + k, 0)));
}

TEST(ClientBatches, EveryPassIsAnotherShuffleAndClientsDiffer) {
  const Shares shares(2, cyclic(20, 20));
  ClientBatches batches(shares, 20);
  const auto first = batches.next(at_step(0, 0, 0)), second = batches.next(at_step(0, 1, 0));
  EXPECT_NE(first, second);
  EXPECT_NE(first, batches.next(at_step(1, 0, 0)));
  EXPECT_DOUBLE_EQ(ClientBatches({{1}, {2, 3, 4}}, 1).client_weight(1), 1.5);
}

// Dealt anew: what a step of a round holds does not depend on what was drawn before, and a round's first batches cover the
// share.
TEST(ClientBatches, DealtAnewEachRoundIsAFunctionOfTheRound) {
  const auto deal = [](int64_t round) { return partition(of("iid"), cyclic(60, 3), {}, 3, round); };
  ClientBatches a(deal, 3, 60, 8), b(deal, 3, 60, 8);
  for (int64_t round = 0; round < 4; ++round)
    for (int64_t step = 0; step < 3; ++step) a.next(at_step(1, round, step));
  for (const int64_t round : {int64_t{3}, int64_t{1}}) {
    const auto share = deal(round)[1];
    std::set<int32_t> seen;
    for (int64_t step = 0; step < 3; ++step) {
      const auto batch = b.next(at_step(1, round, step));
      EXPECT_EQ(batch, a.next(at_step(1, round, step)));
      seen.insert(batch.begin(), batch.end());
    }
    EXPECT_EQ(seen, std::set<int32_t>(share.begin(), share.end()));  // 24 ≥ 20 samples
  }
  EXPECT_TRUE(a.nobody_has_drawn());
}

// Everybody draws at a method's start, also who got nothing: a recipe's mistake, not a defect.
TEST(ClientBatches, AClientWithoutSamplesIsTheRecipesMistake) {
  ClientBatches stay(Shares{{0, 1}, {}}, 2);
  test::expect_mentions(test::error_of([&] { stay.next(at_step(1, 0, 0)); }),
                        {"data.partition", "client 1", "no training samples", "clients.count"});
  ClientBatches dealt([](int64_t) { return Shares{{0, 1}, {}}; }, 2, 2, 2);
  test::expect_mentions(test::error_of([&] { dealt.next(at_step(1, 0, 0)); }),
                        {"client 1", "clients.count", "data.partition.every_round"});
  EXPECT_EQ(dealt.peek(at_step(1, 0, 0)), std::vector<int32_t>{});
  EXPECT_EQ(dealt.next(at_step(0, 0, 0)).size(), 2u);
}

// Each client has the whole set, in an order of its own, and an epoch is one pass over it by all jointly.
TEST(Partition, SharedGivesEveryClientTheWholeSet) {
  const std::vector<int32_t> labels = {0, 1, 0, 1, 2, 2};
  const Shares shares = partition(of("shared"), labels, {}, 9);  // more clients than samples
  ASSERT_EQ(shares.size(), 9u);
  for (const auto& share : shares) EXPECT_EQ(share, (std::vector<int32_t>{0, 1, 2, 3, 4, 5}));
  std::vector<int32_t> all(100);
  std::iota(all.begin(), all.end(), 0);
  ClientBatches batches = ClientBatches::shared(all, 3, 50);
  EXPECT_EQ(batches.samples(), 100);
  EXPECT_EQ(batches.client_weight(2), 1);
  EXPECT_EQ(batches.pass(1, 0).samples, 100);
  std::vector<std::vector<int32_t>> first;
  for (int client = 0; client < 3; ++client) {
    std::vector<int32_t> seen;
    for (int64_t step = 0; step < 2; ++step)
      for (const int32_t i : batches.next({.seed = 1, .client = client, .step = step})) seen.push_back(i);
    first.push_back(seen);
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, all) << "a pass has every sample once";
  }
  EXPECT_NE(first[0], first[1]);
  EXPECT_NE(first[1], first[2]);
}

// Every client that ever drew kept an order of the whole set: with ImageNet and 1,000 clients 5 GB. 2¹⁸ samples are 1 MiB,
// so that 64 orders stay. Client 77 takes the place of client 13, whose order is the same when it is made again.
TEST(ClientBatches, AShareThatAllHaveIsRememberedInFewOrders) {
  std::vector<int32_t> all(1 << 18);
  std::iota(all.begin(), all.end(), 0);
  ClientBatches many = ClientBatches::shared(all, 80, 8), one = ClientBatches::shared(all, 80, 8);
  for (int client = 0; client < 80; ++client) many.next(at_step(client, 0, 0));
  one.next(at_step(13, 0, 0));
  EXPECT_EQ(many.next(at_step(13, 0, 1)), one.next(at_step(13, 0, 1)));
  EXPECT_EQ(many.shuffles(), 64u);
  EXPECT_EQ(one.shuffles(), 1u);
}

}  // namespace
}  // namespace tacet
