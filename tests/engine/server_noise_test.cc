// Noise of the server: its distribution, equal bits on all ranks, and rounds without a client.
#include "engine/server_noise.h"

#include <cmath>
#include <cstring>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "engine/round_setup.h"
#include "support/placements.h"
#include "support/quadratic.h"
#include "tacet/group.h"

namespace tacet::server_noise_test {
namespace {

bool same_bits(const Vec& a, const Vec& b) {
  return a.numel() == b.numel() && std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

// Mean, variance, kurtosis and tail of n numbers, to five standard errors.
void expect_normal(const Vec& v) {
  const auto n = static_cast<double>(v.numel());
  double sum = 0, squares = 0, fourth = 0, beyond = 0;
  for (int64_t j = 0; j < v.numel(); ++j) {
    const double a = v.data_ptr<float>()[j];
    sum += a, squares += a * a, fourth += a * a * a * a, beyond += std::abs(a) > 2;
  }
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
  EXPECT_NEAR(beyond / n, 0.0455, 5 * std::sqrt(0.0455 / n));
}

double correlation(const Vec& a, const Vec& b) { return (a * b).mean().item<double>(); }

TEST(ServerNoise, IsNormalAndAnotherInEveryRoundAndRun) {
  const int64_t n = 200000;
  const Vec first = keyed_normals(7, 3, n);
  expect_normal(first);
  EXPECT_TRUE(same_bits(first, keyed_normals(7, 3, n)));
  for (const Vec& other : {keyed_normals(7, 4, n), keyed_normals(8, 3, n)})
    EXPECT_NEAR(correlation(first, other), 0, 5 / std::sqrt(static_cast<double>(n)));
  // Pieces of 2^15 numbers have streams of their own.
  EXPECT_NEAR(correlation(first.narrow(0, 0, 1 << 15), first.narrow(0, 1 << 15, 1 << 15)), 0, 5 / std::sqrt(32768.0));
  EXPECT_TRUE(same_bits(first.narrow(0, 0, 70000).clone(), keyed_normals(7, 3, 70000)));
}

TEST(ServerNoise, OfTheSystemIsNormalAndNeverTheSame) {
  const int64_t n = 200001;
  const auto group = single_group();
  const Vec first = system_normals(*group, n), second = system_normals(*group, n);
  expect_normal(first);
  EXPECT_NEAR(correlation(first, second), 0, 5 / std::sqrt(static_cast<double>(n)));
  // Neighbours come from the same two words.
  EXPECT_NEAR(correlation(first.narrow(0, 0, n - 1), first.narrow(0, 1, n - 1)), 0, 5 / std::sqrt(static_cast<double>(n)));
}

TEST(ServerNoise, OfTheSystemIsEqualOnAllRanks) {
  for (const int ranks : {2, 3}) {
    const auto all = test::on_ranks<Vec>(ranks, [&](Group& g) { return system_normals(g, 1000); });
    for (const Vec& v : all) EXPECT_TRUE(same_bits(v, all.front()));
  }
}

RoundSetup setup_of(test::Quadratic& objective, Group& group, std::vector<int> sampled) {
  RoundSetup s;
  s.objective = &objective;
  s.group = &group;
  s.clients = 4;
  s.sampled = std::move(sampled);
  s.mean_sampled = 2;
  s.rates = [](int) { return Rates{0.1, 1}; };
  return s;
}

TEST(Rounds, OfNobodyHaveNoMean) {
  test::Quadratic objective{3, {1, 1, 1, 1}, {0, 0, 0, 0}};
  const auto group = single_group();
  Round nobody(setup_of(objective, *group, {}));
  EXPECT_EQ(nobody.participation, 0);
  EXPECT_EQ(nobody.mean_S, 2);
  EXPECT_THROW(nobody.mean([&](Client& i) { return i.start(at::zeros({3})); }), NobodyCame);
  EXPECT_EQ(nobody.report().collectives, 0);
  Round three(setup_of(objective, *group, {0, 1, 3}));
  EXPECT_EQ(three.participation, 0.75);
  EXPECT_EQ(three.mean_S, 2);
}

}  // namespace
}  // namespace tacet::server_noise_test
