// Client sampling: rules for every kind, and how often each client comes.
#include "engine/client_sampling.h"
#include "support/error_of.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tacet {
namespace {

ClientSampling sampling(int N, int S, const std::string& kind) { return {.clients = N, .participating = S, .kind = kind}; }

std::vector<int> times(const ClientSampling& s, int64_t rounds) {
  std::vector<int> count(static_cast<size_t>(s.clients));
  for (int64_t r = 0; r < rounds; ++r)
    for (int i : sample_clients(s, 7, r)) ++count[static_cast<size_t>(i)];
  return count;
}

RC_GTEST_PROP(ClientSamplingProperty, picks_S_different_clients_in_order, ()) {
  ClientSampling s;
  s.clients = *rc::gen::inRange(1, 60);
  s.kind = *rc::gen::elementOf(std::vector<std::string>{"uniform", "fixed", "periodic", "dirichlet"});
  s.period = *rc::gen::inRange<int64_t>(1, s.clients + 1);
  s.alpha = *rc::gen::elementOf(std::vector<double>{0.01, 0.3, 1, 20});
  const int most = s.kind == "periodic" ? static_cast<int>(s.clients / s.period) : s.clients;
  s.participating = *rc::gen::inRange(1, most + 1);
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const auto round = *rc::gen::inRange<int64_t>(0, 100000);
  const std::vector<int> ids = sample_clients(s, seed, round);
  RC_ASSERT(ids.size() == static_cast<size_t>(s.participating));
  RC_ASSERT(std::is_sorted(ids.begin(), ids.end()));
  RC_ASSERT(std::set<int>(ids.begin(), ids.end()).size() == ids.size());
  RC_ASSERT(ids.front() >= 0 && ids.back() < s.clients);
  RC_ASSERT(ids == sample_clients(s, seed, round));
  if (s.kind == "periodic")
    for (int i : ids)
      RC_ASSERT(i * s.period / s.clients == round % s.period || (i + 1) * s.period > (round % s.period) * s.clients);
}

// Each of 10 clients comes in 3 of 10 rounds: 4000 rounds give 1200 ± 29 (binomial); five standard errors.
TEST(ClientSampling, UniformIsFair) {
  for (int count : times(sampling(10, 3, "uniform"), 4000)) EXPECT_NEAR(count, 1200, 145);
}

// Each of 10 clients comes by itself with probability 3/10: 4000 rounds give 1200 ± 29 of each, rounds of 3 on average with
// a deviation of √(10·0.3·0.7), and 0.7^10 = 2.8 % of rounds with nobody.
TEST(ClientSampling, PoissonDrawsEachByItself) {
  const ClientSampling s = sampling(10, 3, "poisson");
  for (int count : times(s, 4000)) EXPECT_NEAR(count, 1200, 145);
  double sum = 0, squares = 0, nobody = 0;
  for (int64_t r = 0; r < 4000; ++r) {
    const auto ids = sample_clients(s, 7, r);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    const auto n = static_cast<double>(ids.size());
    sum += n, squares += n * n, nobody += ids.empty();
  }
  EXPECT_NEAR(sum / 4000, 3, 5 * std::sqrt(2.1 / 4000));
  EXPECT_NEAR(squares / 4000 - std::pow(sum / 4000, 2), 2.1, 0.25);
  EXPECT_NEAR(nobody / 4000, 0.0282, 5 * std::sqrt(0.0282 / 4000));
  EXPECT_EQ(sample_clients(sampling(10, 10, "poisson"), 7, 0).size(), 10u);
}

TEST(ClientSampling, FixedIsAlwaysTheSame) {
  EXPECT_EQ(sample_clients(sampling(10, 3, "fixed"), 1, 0), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(sample_clients(sampling(10, 3, "fixed"), 2, 99), (std::vector<int>{0, 1, 2}));
}

// 7 clients in 2 blocks: 0–2 in even rounds, 3–6 in odd ones.
TEST(ClientSampling, PeriodicTakesTheBlocksInTurn) {
  ClientSampling s = sampling(7, 2, "periodic");
  for (int64_t r = 0; r < 50; ++r)
    for (int i : sample_clients(s, 3, r)) EXPECT_EQ(i < 3, r % 2 == 0) << r;
  for (int count : times(s, 400)) EXPECT_GT(count, 50);
}

TEST(ClientSampling, PeriodicKeepsABlockForTheRoundsThatItIsGiven) {
  ClientSampling s = sampling(7, 2, "periodic");
  s.switch_every = 3;
  for (int64_t r = 0; r < 50; ++r)
    for (int i : sample_clients(s, 3, r)) EXPECT_EQ(i < 3, r / 3 % 2 == 0) << r;
}

// One client a round: client i comes in a share w_i of the rounds; five standard errors of 4000 rounds.
TEST(ClientSampling, DirichletFollowsItsWeights) {
  ClientSampling s = sampling(6, 1, "dirichlet");
  s.alpha = 0.5;
  const auto w = client_weights(s, 7);
  EXPECT_NEAR(std::accumulate(w.begin(), w.end(), 0.0), 1, 1e-12);
  const auto count = times(s, 4000);
  for (size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(count[i], 4000 * w[i], 5 * std::sqrt(4000 * w[i] * (1 - w[i])) + 1) << i;
}

// Dirichlet(alpha) over N has weights of mean 1/N and variance (1/N)(1 − 1/N)/(N alpha + 1): over 2000 seeds of N = 5 within
// 10 %.
TEST(ClientSampling, WeightsHaveTheVarianceOfTheirAlpha) {
  for (double alpha : {0.2, 1.0, 10.0}) {
    ClientSampling s = sampling(5, 1, "dirichlet");
    s.alpha = alpha;
    double squares = 0;
    for (uint64_t seed = 0; seed < 2000; ++seed)
      for (double w : client_weights(s, seed)) squares += (w - 0.2) * (w - 0.2) / 10000;
    const double expected = 0.2 * 0.8 / (5 * alpha + 1);
    EXPECT_NEAR(squares, expected, 0.1 * expected) << alpha;
  }
}

TEST(ClientSampling, RefusesMoreThanThereAre) {
  Values v;
  v.set("sampling", std::string("uniform"));
  v.set("period", int64_t{3});
  v.set("alpha", 1.0);
  v.set("participating", int64_t{5});
  test::expect_mentions(test::error_of([&] { client_sampling(v, 4); }),
                        {"clients.participating must be <= clients.count = 4, got 5"});
  v.set("sampling", std::string("periodic"));
  test::expect_mentions(test::error_of([&] { client_sampling(v, 10); }),
                        {"clients.participating must be <= 3", "clients.period = 3", "got 5"});
}

}  // namespace
}  // namespace tacet
