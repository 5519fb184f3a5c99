// What the papers claim about their methods, checked on functions where the claim can be seen: many seeds, and limits that
// leave room for chance. Each comment says what is claimed, how it is measured and how sure the test is.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include <gtest/gtest.h>

#include "support/problems.h"

namespace tacet::claims_test {
namespace {

using namespace test;

const double inf = std::numeric_limits<double>::infinity();

// A sample's mean with half the width of its 95 % confidence interval (normal approximation).
struct Estimate {
  double mean, half;
};
Estimate estimate(const std::vector<double>& v) {
  const auto n = static_cast<double>(v.size());
  const double mean = std::accumulate(v.begin(), v.end(), 0.0) / n;
  double squares = 0;
  for (double x : v) squares += (x - mean) * (x - mean);
  return {mean, 1.96 * std::sqrt(squares / (n - 1) / n)};
}

Outcome go(const std::string& method, const Problem& p, const Noise& noise, int interval, int64_t rounds, uint64_t seed,
           const std::map<std::string, Value>& options, const std::vector<std::vector<int>>& sampled = {}) {
  Trial t = trial(method, static_cast<int>(p.f.size()), interval, options);
  t.seed = seed;
  t.sampled = sampled;
  return run_problem(p, noise, t, rounds);
}

// Rounds until f(x_r) − f* ≤ gap; all rounds when it never is.
double rounds_to(const Problem& p, const Outcome& o, double gap) {
  const double least = value(p, p.minimiser);
  for (size_t r = 0; r < o.trace.x.size(); ++r)
    if (f_at(p, o.trace.x[r]) - least <= gap) return static_cast<double>(r + 1);
  return static_cast<double>(o.trace.x.size());
}

// Mean of ‖∇f(x_r)‖ over the last quarter of the rounds.
double floor_of(const Problem& p, const Outcome& o) {
  std::vector<double> slopes;
  for (size_t r = o.trace.x.size() * 3 / 4; r < o.trace.x.size(); ++r) slopes.push_back(slope_at(p, o.trace.x[r]));
  return estimate(slopes).mean;
}

// Linear speed-up (Liu et al., Theorem 1): the theorem's γ and η grow like N, and T falls like 1/N at equal accuracy. On
// e^x + e^−x in 10 dimensions from 2 with noise σ = 1, η_N = N η_1 and γ_N = 5ση_N·√d: T(1)/T(N) lies within 25 % of N for
// 2, 4 and 8, each T the mean of 20 seeds; and the floor that the noise leaves, ‖∇f‖ at the end, is no higher for larger N.
TEST(Claims, CelgcSpeedsUpLinearlyInTheNumberOfClients) {
  const Noise noise{.kind = "gaussian", .scale = 1};
  double one = 0, floor_one = 0;
  for (int N : {1, 2, 4, 8}) {
    const Problem p = problem("exponential", N, {{"start", 2.0}});
    std::vector<double> T, floors;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      const double eta = 0.002 * N;
      const Outcome o = go("celgc", p, noise, 4, 600 / N, seed, {{"eta", eta}, {"gamma", 5 * eta * std::sqrt(10.0)}});
      T.push_back(4 * rounds_to(p, o, 1.0));
      floors.push_back(floor_of(p, o));
    }
    const Estimate t = estimate(T), f = estimate(floors);
    if (N == 1) one = t.mean, floor_one = f.mean;
    std::printf("N = %d: T = %.0f ± %.0f, speed-up %.2f, floor %.3f ± %.3f\n", N, t.mean, t.half, one / t.mean, f.mean,
                f.half);
    EXPECT_NEAR(one / t.mean, N, 0.25 * N);
    EXPECT_LT(f.mean, 1.2 * floor_one);
  }
}

// Rare talking (Liu et al., Theorem 1): at equal accuracy the rounds fall like 1/I up to the predicted I, then it degrades.
// Two quartic clients with little heterogeneity: rounds to the gap fall in proportion (within 25 %) from I = 1 to 8; at I =
// 512 the floor is over five times higher than at I = 8 for the same number of local steps. Means of 10 seeds.
TEST(Claims, RoundsFallLikeOneOverIUpToAPoint) {
  Problem p = problem("quartic-pair", 2, {{"heterogeneity", 0.5}, {"start", 1.0}});
  double low = 0, high = 5;  // the minimum that x goes to: a bisection of f' on [1.5, 3]
  for (low = 1.5, high = 3; high - low > 1e-12;) {
    const double middle = (low + high) / 2;
    (gradient(p, std::vector<double>{middle})[0] > 0 ? high : low) = middle;
  }
  p.minimiser = {low};
  const Noise noise{.kind = "uniform", .scale = 1};
  std::map<int, double> rounds, floors;
  for (int I : {1, 2, 4, 8, 64, 512}) {
    std::vector<double> R, F;
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      const Outcome o = go("celgc", p, noise, I, 8192 / I, seed, {{"eta", 0.002}, {"gamma", 0.01}});
      R.push_back(rounds_to(p, o, 0.02));
      F.push_back(floor_of(p, o));
    }
    rounds[I] = estimate(R).mean;
    floors[I] = estimate(F).mean;
    std::printf("I = %3d: %.0f rounds of %d to the gap, floor %.4f ± %.4f\n", I, rounds[I], 8192 / I, floors[I],
                estimate(F).half);
  }
  for (int I : {2, 4, 8}) EXPECT_NEAR(rounds[1] / rounds[I], I, 0.25 * I);
  EXPECT_GT(floors[512], 5 * floors[8]);
}

// Local clipping gets stuck: x is exactly 0 after every round, while EPISODE is at the minimum −1/2 after one.
TEST(Claims, CelgcIsStuckWhereEpisodeConverges) {
  const Problem p = problem("stuck-pair", 2);
  for (const Vec& x : go("celgc", p, {}, 1, 50, 1, {{"eta", 1.0}, {"gamma", 2.0}}).trace.x) ASSERT_EQ(x.item<float>(), 0.0f);
  EXPECT_NEAR(go("episode", p, {}, 1, 50, 1, {{"eta", 1.0}, {"gamma", 2.0}}).x.item<double>(), -0.5, 1e-3);
}

// EPISODE's floor does not depend on heterogeneity; those of FedAvg and CELGC grow with it. Quartic clients with the
// published study's noise, step sizes and 8 local steps; floors are means of 10 seeds at H = 1 and H = 8.
TEST(Claims, EpisodesFloorDoesNotDependOnHeterogeneity) {
  const Noise noise{.kind = "uniform", .scale = 1};
  std::map<std::string, std::map<double, double>> floors;
  for (const std::string method : {"episode", "celgc", "fedavg"})
    for (double H : {1.0, 8.0}) {
      const Problem p = problem("quartic-pair", 2, {{"heterogeneity", H}});
      std::vector<double> F;
      for (uint64_t seed = 1; seed <= 10; ++seed)
        F.push_back(floor_of(p, go(method, p, noise, 8, 1000, seed, {{"eta", 0.001}, {"gamma", 0.005}})));
      floors[method][H] = estimate(F).mean;
      std::printf("%-8s H = %g: floor %.4f ± %.4f\n", method.c_str(), H, floors[method][H], estimate(F).half);
    }
  EXPECT_LT(floors["episode"][8], 2 * floors["episode"][1]);
  EXPECT_GT(floors["celgc"][8], 4 * floors["celgc"][1]);
  EXPECT_GT(floors["fedavg"][8], 4 * floors["fedavg"][1]);
}

// The lower-bound instances for clipped minibatch SGD (Crawshaw, Bao, Liu, NeurIPS 2023): whatever η and γ are, one of three
// functions defeats it, while EPISODE++ with one setting solves all three. L1 = 1; M is the bound on gradients.
//   γ/η ≤ M: a rare client holds what turns the slope round, its steps are cut, and x is driven away (2 of 8 clients a
//   round). γ/η > M and η ≥ 2/(L1 M): the steps on e^x + e^−x from a gradient of M overshoot and never settle. γ/η > M
//   and η ≤ 1/(L1 M): on a slope of ε far from its minimum, the number of rounds grows like M.
std::vector<std::vector<int>> two_of_eight(uint64_t seed, int64_t rounds) {
  std::vector<std::vector<int>> sampled;
  for (int64_t r = 0; r < rounds; ++r) {
    const auto order = Stream(seed, Stream::everyone, Purpose::client_sampling, r, 0).permutation(8);
    sampled.push_back({static_cast<int>(order[0]), static_cast<int>(order[1])});
    std::sort(sampled.back().begin(), sampled.back().end());
  }
  return sampled;
}

TEST(Claims, ARareClientDrivesMinibatchClipAwayAndNotEpisodePlusPlus) {
  // M = 1, slope 0.1, N = 8: c_0 = 7.1, the others −0.9; γ/η = 1. With client 0 (a quarter of the rounds) the mean of two
  // is 3.1: a step of γ down; without, −0.9: a step of 0.9γ up. Three times as often: away. 20 seeds, every one of them.
  const Problem p = problem("rare-slope", 8);
  const Noise noise{.kind = "gaussian", .scale = 0.1};
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const auto sampled = two_of_eight(seed, 2000);
    const std::map<std::string, Value> options = {{"eta", 0.05}, {"gamma", 0.05}};
    const double away = std::abs(go("minibatch-clip", p, noise, 4, 2000, seed, options, sampled).x.item<double>());
    const double home = std::abs(go("episode++", p, noise, 4, 2000, seed, options, sampled).x.item<double>());
    EXPECT_GT(away, 10) << seed;
    EXPECT_LT(home, 1) << seed;
  }
}

TEST(Claims, LargeThresholdsAndStepsMakeMinibatchClipOvershoot) {
  // From x = 6, M = |f'| = e^6 − e^−6 = 403; η = 0.04 is 16/M and γ/η = 546 > M. The first step leads to 6 − 16.1 = −10.1,
  // where |f'| is 24,000: a clipped step of 21.8 to 11.7, one back to −10.1, and so on for ever.
  const Problem p = problem("exponential", 8, {{"dimension", int64_t{1}}, {"start", 6.0}});
  for (const Vec& x : go("minibatch-clip", p, {}, 4, 200, 1, {{"eta", 0.04}, {"gamma", 0.04 * 546}}).trace.x)
    ASSERT_GT(slope_at(p, x), 403);
  EXPECT_LT(std::abs(go("episode++", p, {}, 4, 200, 1, {{"eta", 0.04}, {"gamma", 0.04}}).x.item<double>()), 0.1);
}

TEST(Claims, SmallStepsMakeMinibatchClipsRoundsGrowLikeM) {
  // Slope 1 from x = 100 with η = 1/M and γ/η > M: about 100 M rounds to the flat part near 0. EPISODE++ is not bound to η ≤
  // 1/M.
  const Problem p = problem("rare-slope", 8, {{"heterogeneity", 0.0}, {"slope", 1.0}, {"start", 100.0}});
  const auto rounds = [&](const std::string& method, double eta, double gamma) {
    return rounds_to(p, go(method, p, {}, 4, 6000, 1, {{"eta", eta}, {"gamma", gamma}}), 1.0);
  };
  const double at_10 = rounds("minibatch-clip", 1.0 / 10, 2), at_40 = rounds("minibatch-clip", 1.0 / 40, 2);
  EXPECT_NEAR(at_40 / at_10, 4, 0.2);
  EXPECT_LT(rounds("episode++", 0.5, 0.25), at_10 / 4);
}

// Clipped SGD is arbitrarily faster than SGD with a fixed step on an exponential (Zhang et al., ICLR 2020): rounds to
// ‖∇f‖ ≤ 0.1 from x_0 and from 5 and 10 % nearer, each with the best step of a fine grid. A fixed step must be below
// 2/f''(x_0) ~ 2e^−x_0, so its rounds grow like e^x_0; clipped ones grow like x_0.
TEST(Claims, ClippingIsArbitrarilyFasterThanAFixedStep) {
  const auto rounds = [](const std::string& method, double start, double eta) {
    const Problem p = problem("exponential", 1, {{"dimension", int64_t{1}}, {"start", start}});
    try {
      const Outcome o = go(method, p, {}, 1, 1000, 1, {{"eta", eta}, {"gamma", method == "sgd" ? inf : 1.0}});
      for (size_t r = 0; r < o.trace.x.size(); ++r)
        if (slope_at(p, o.trace.x[r]) <= 0.1) return static_cast<double>(r + 1);
    } catch (const UserError&) {
      // this step size diverges
    }
    return inf;
  };
  // A single start can be lucky: a step of just x_0/f'(x_0) lands at the minimum. So the slowest of three starts counts.
  const auto best = [&](const std::string& method, double start) {
    double fewest = inf;
    for (double eta = 1; eta > 5e-4; eta /= 1.4)
      fewest = std::min(fewest, std::max({rounds(method, start, eta), rounds(method, 0.95 * start, eta),
                                          rounds(method, 0.9 * start, eta)}));
    return fewest;
  };
  double last = 0;
  for (double start : {3.0, 5.0, 7.0}) {
    const double fixed = best("sgd", start), clipped = best("sgd-clip", start);
    std::printf("from %g: %g rounds with the best fixed step, %g clipped\n", start, fixed, clipped);
    EXPECT_LE(clipped, start + 10);
    EXPECT_GT(fixed / clipped, 2 * last);
    last = fixed / clipped;
  }
  EXPECT_GT(last, 15);
}

}  // namespace
}  // namespace tacet::claims_test
