// Identities between methods, and rounds worked out by hand: they tell a method from something like it.
#include <algorithm>
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "algorithms/example/example.h"
#include "algorithms/run_alone.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using test::expect_same_bits;
using test::Quadratic;
using test::run_alone;
using test::Trace;
using test::Trial;
using test::trial;

constexpr double inf = test::infinite;

Quadratic three() { return {5, {1, 0.5, 2}, {1, -1, 3}, 0.5}; }

TEST(Identities, CelgcWithoutClippingIsFedAvg) {
  expect_same_bits(run_alone(trial("celgc", 3, 4, {{"gamma", inf}, {"momentum", 0.9}, {"weight_decay", 0.1}}), three(), 6),
                   run_alone(trial("fedavg", 3, 4, {{"momentum", 0.9}, {"weight_decay", 0.1}}), three(), 6));
}

TEST(Identities, WithOneClientCelgcAndNaiveClipAreSgdClip) {
  const Quadratic one{5, {1.5}, {2}, 0.5};
  const std::map<std::string, Value> extra = {{"momentum", 0.9}, {"weight_decay", 0.1}, {"gamma", 0.05}};
  const Trace reference = run_alone(trial("sgd-clip", 1, 1, extra), one, 8);
  expect_same_bits(run_alone(trial("celgc", 1, 1, extra), one, 8), reference);
  expect_same_bits(run_alone(trial("naive-clip", 1, 1, extra), one, 8), reference);
}

// Equal data and exact gradients: clipping before or after the mean is the same, with I = 1.
TEST(Identities, WithEqualDataOneLocalStepIsTheNaiveStep) {
  const Quadratic equal{5, {1, 1, 1, 1}, {2, 2, 2, 2}};
  expect_same_bits(run_alone(trial("celgc", 4, 1), equal, 8), run_alone(trial("naive-clip", 4, 1), equal, 8));
}

// With one client the control variates are equal, so they cancel up to rounding.
TEST(Identities, WithOneClientScaffoldIsFedAvg) {
  const Quadratic one{5, {1.5}, {2}, 0.5};
  const Trace a = run_alone(trial("scaffold", 1, 4, {{"gamma", inf}, {"weight_decay", 0.1}}), one, 8);
  const Trace b = run_alone(trial("fedavg", 1, 4, {{"weight_decay", 0.1}}), one, 8);
  for (size_t r = 0; r < a.x.size(); ++r) EXPECT_LT(l2_norm(a.x[r] - b.x[r]), 1e-6 * l2_norm(b.x[r])) << r;
}

// Exact gradients at the same point are the same batch: then g − Gⁱ + G is G on every client.
TEST(Identities, EpisodeWithOneStepOnTheSameBatchIsTheNaiveStep) {
  const Quadratic four{5, {1, 0.5, 2, 1}, {1, -1, 3, 2}};
  const Trace episode = run_alone(trial("episode", 4, 1), four, 60);
  expect_same_bits(episode, run_alone(trial("naive-clip", 4, 1), four, 60));
  // γ/η = 2: the run begins with clipping rounds and ends with plain ones, so both branches were compared.
  EXPECT_EQ(episode.notes.front().at("indicator"), 1);
  EXPECT_EQ(episode.notes.back().at("indicator"), 0);
}

TEST(Identities, MinibatchClipOfExactGradientsIsTheNaiveStep) {
  const Quadratic four{5, {1, 0.5, 2, 1}, {1, -1, 3, 2}};
  expect_same_bits(run_alone(trial("minibatch-clip", 4, 4, {{"momentum", 0.5}}), four, 8),
                   run_alone(trial("naive-clip", 4, 1, {{"momentum", 0.5}}), four, 8));
}

TEST(Identities, SignSgdWithoutMemoryIsSignDescent) {
  const Quadratic one{5, {1.5}, {2}, 0.5};
  const Trace t = run_alone(trial("sign-sgd-gen", 1, 1, {{"beta1", 0.0}, {"beta2", 0.0}}), one, 6);
  Quadratic by_hand = one;
  Vec x = by_hand.initial();
  for (int64_t r = 0; r < 6; ++r) {
    by_hand.gradient({1, 0, r, 0, r}, x);
    x.sub_(by_hand.gradient_buffer().sign(), 0.1);
    EXPECT_TRUE(at::equal(x, t.x[static_cast<size_t>(r)])) << r;
  }
}

// ε = 10⁻¹⁶ is below the rounding of √v̂ ≥ 10⁻⁸, so adding it to the root changes no bit.
TEST(Identities, FedLambWithoutLayerScaleIsFedAms) {
  for (bool persist : {true, false})
    expect_same_bits(
        run_alone(
            trial(
                "fed-lamb", 3, 3,
                {{"eta", 1e-9}, {"epsilon", 1e-16}, {"layerwise", false}, {"bias_correction", false}, {"persist", persist}}),
            three(), 6),
        run_alone(trial("fed-ams", 3, 3, {{"eta", 1e-9}, {"epsilon", 1e-16}, {"persist", persist}}), three(), 6));
}

TEST(Identities, MixedClipWithoutMomentumsShareIsSgdClip) {
  const Quadratic one{5, {1.5}, {2}, 0.5};
  expect_same_bits(run_alone(trial("mixed-clip", 1, 1, {{"nu", 0.0}}), one, 8), run_alone(trial("sgd-clip", 1, 1), one, 8));
}

TEST(Identities, FedProxWithoutPullIsFedAvg) {
  expect_same_bits(run_alone(trial("fedprox", 3, 3, {{"mu", 0.0}, {"momentum", 0.9}}), three(), 5),
                   run_alone(trial("fedavg", 3, 3, {{"momentum", 0.9}}), three(), 5));
}

// Delayed or not, the mean of one model is that model: nothing is added to it. What the run shows is one round late.
TEST(Identities, WithOneClientCelgcOverlapIsCelgcOneRoundLate) {
  const Quadratic one{5, {1.5}, {2}, 0.5};
  const std::map<std::string, Value> extra = {{"momentum", 0.9}, {"weight_decay", 0.1}, {"gamma", 0.05}};
  const Trace celgc = run_alone(trial("celgc", 1, 3, extra), one, 8, 0.5);
  for (const int64_t delay : {0, 1, 3}) {
    auto options = extra;
    options["delay"] = delay;
    const Trace overlap = run_alone(trial("celgc-overlap", 1, 3, options), one, 8, 0.5);
    EXPECT_TRUE(overlap.x[0].equal(at::full({5}, 0.5)));
    for (size_t r = 1; r < 8; ++r)
      EXPECT_EQ(0, std::memcmp(overlap.x[r].data_ptr(), celgc.x[r - 1].data_ptr(), celgc.x[r].nbytes())) << r;
  }
}

// yⁱ + (x̄ − yⁱ) is x̄, up to rounding: without a delay every round begins where CELGC's does.
TEST(Identities, CelgcOverlapWithoutDelayIsCelgcOneRoundLate) {
  const Trace celgc = run_alone(trial("celgc", 3, 4, {{"momentum", 0.9}}), three(), 8);
  const Trace overlap = run_alone(trial("celgc-overlap", 3, 4, {{"momentum", 0.9}, {"delay", int64_t{0}}}), three(), 8);
  for (size_t r = 1; r < 8; ++r) EXPECT_LT(l2_norm(overlap.x[r] - celgc.x[r - 1]), 1e-5 * l2_norm(celgc.x[r - 1])) << r;
}

TEST(Identities, CelgcPartialInWhichAllMeetIsCelgc) {
  expect_same_bits(run_alone(trial("celgc-partial", 3, 3, {{"momentum", 0.9}}), three(), 5),
                   run_alone(trial("celgc", 3, 3, {{"momentum", 0.9}}), three(), 5));
}

TEST(Identities, SgdAndParallelSgdAreMomentumWithOtherDefaults) {
  expect_same_bits(run_alone(trial("sgd", 3, 2, {{"weight_decay", 0.1}}), three(), 5),
                   run_alone(trial("momentum", 3, 2, {{"momentum", 0.0}, {"weight_decay", 0.1}}), three(), 5));
  expect_same_bits(run_alone(trial("parallel-sgd", 3, 2), three(), 5), run_alone(trial("momentum", 3, 2), three(), 5));
  expect_same_bits(run_alone(trial("momentum", 3, 2), three(), 5),
                   run_alone(trial("naive-clip", 3, 2, {{"gamma", inf}, {"momentum", 0.9}}), three(), 5));
}

// The example of docs/guide/adding-an-algorithm.md: x − η (x − mean)/η is the mean, up to rounding.
TEST(Identities, SlowMoWithoutMomentumIsFedAvg) {
  (void)test::every_method();  // adds it
  const Trace a = run_alone(trial("slowmo", 3, 4, {{"beta", 0.0}}), three(), 6);
  const Trace b = run_alone(trial("fedavg", 3, 4), three(), 6);
  for (size_t r = 0; r < a.x.size(); ++r) EXPECT_LT(l2_norm(a.x[r] - b.x[r]), 1e-6 * l2_norm(b.x[r])) << r;
}

// EPISODE++ with all clients keeps G = mean Gⁱ, up to rounding, after every round; with some of them too.
TEST(Identities, EpisodePlusPlusKeepsGTheMeanOfItsParts) {
  for (bool few : {false, true}) {
    Trial t = trial("episode++", 3, few ? 4 : 1);
    if (few) t.sampled = {{0, 2}, {1}};
    test::expect_mean_of_parts(t, three(), "G", "corrections");
  }
}

// The weighted mean with equal weights is the plain one.
TEST(Identities, EqualWeightsAreNoWeights) {
  expect_same_bits(run_alone(trial("fedavg", 3, 2, {{"weighted", true}}), three(), 4),
                   run_alone(trial("fedavg", 3, 2), three(), 4));
}

// One coordinate, exact gradients, η = 0.5, γ = 0.4, two clients f_1 = ½(x−1)², f_2 = ½·2·(x+1)², I = 2, start 0.
//   client 1: g = −1, step min(.5, .4/1) = .4 → y = .4;  g = −.6, step min(.5, .4/.6 = .667) = .5 → y = .7
//   client 2: g = 2, step min(.5, .2) = .2 → y = −.4;    g = 1.2, step min(.5, 1/3) = 1/3 → y = −.8
//   x_1 = (.7 − .8)/2 = −.05; 3 of 4 steps clipped.
//   client 1 from −.05: g = −1.05, step .4/1.05 → y = .35; g = −.65, step .5 → y = .675
//   client 2 from −.05: g = 1.9, step .4/1.9 → y = −.45; g = 1.1, step .4/1.1 → y = −.85
//   x_2 = (.675 − .85)/2 = −.0875
TEST(ByHand, CelgcTwoRounds) {
  const Trace t = run_alone(trial("celgc", 2, 2, {{"eta", 0.5}, {"gamma", 0.4}}), {1, {1, 2}, {1, -1}}, 2);
  EXPECT_NEAR(t.x[0].item<double>(), -0.05, 1e-6);
  EXPECT_NEAR(t.x[1].item<double>(), -0.0875, 1e-6);
  EXPECT_EQ(t.counters[0].clipped, 3);
  EXPECT_EQ(t.counters[0].steps, 4);
  EXPECT_EQ(t.collectives, 2);
}

// The same clients and rates, celgc-overlap with I = 2 and D = 1. Round 1 begins with everybody at 0, so its mean changes
// nothing: y = .7 and −.8, x_1 = 0.
//   Round 2, client 1 from .7: g = −.3, step .5 → .85; the mean −.05 of .7 and −.8 arrives: .85 − .75 = .1;
//     g = −.9, step .4/.9 → .5
//   client 2 from −.8: g = .4, step .5 → −1; −1 + .75 = −.25; g = 1.5, step .4/1.5 → −.65
//   x_2 = −.05. Round 3 begins by sending .5 and −.65: x_3 = −.075.
TEST(ByHand, CelgcOverlapThreeRounds) {
  const Trace t = run_alone(trial("celgc-overlap", 2, 2, {{"eta", 0.5}, {"gamma", 0.4}, {"delay", int64_t{1}}}),
                            {1, {1, 2}, {1, -1}}, 3);
  EXPECT_NEAR(t.x[0].item<double>(), 0, 1e-6);
  EXPECT_NEAR(t.x[1].item<double>(), -0.05, 1e-6);
  EXPECT_NEAR(t.x[2].item<double>(), -0.075, 1e-6);
  EXPECT_EQ(t.counters[1].clipped, 2);
  EXPECT_EQ(t.counters[1].steps, 4);
}

// The same clients, naive-clip, I = 2: ḡ(0) = (−1 + 2)/2 = .5, step min(.5, .4/.5) = .5 → −.25;
// ḡ(−.25) = (−1.25 + 1.5)/2 = .125, step .5 → −.3125. Each step is one collective.
TEST(ByHand, NaiveClipOneRound) {
  const Trace t = run_alone(trial("naive-clip", 2, 2, {{"eta", 0.5}, {"gamma", 0.4}}), {1, {1, 2}, {1, -1}}, 1);
  EXPECT_NEAR(t.x[0].item<double>(), -0.3125, 1e-6);
  EXPECT_EQ(t.collectives, 2);
  EXPECT_EQ(t.counters[0].steps, 2);
  EXPECT_EQ(t.counters[0].clipped, 0);
}

// Momentum μ = .5 and decay λ = 1 with one client, f = ½(x−1)², η = .5, γ = .4, from x = 1.8. The norm is of the raw
// gradient:
//   g = .8, a = min(.5, .4/.8) = .5; d = .8 + 1.8 = 2.6 → x = .5
//   g = −.5, a = .5; d = .5·2.6 + (−.5 + .5) = 1.3 → x = −.15
// Had the norm included the decay, the first factor would have been .4/2.6.
TEST(ByHand, TheNormLeavesOutDecayAndMomentum) {
  const Trace t =
      run_alone(trial("sgd-clip", 1, 1, {{"eta", 0.5}, {"gamma", 0.4}, {"momentum", 0.5}, {"weight_decay", 1.0}}),
                {1, {1}, {1}}, 2, 1.8);
  EXPECT_NEAR(t.x[0].item<double>(), 0.5, 1e-6);
  EXPECT_NEAR(t.x[1].item<double>(), -0.15, 1e-6);
}

// Momentum stays on its client: clients at ±1 from 0 with I = 1 have opposite buffers for ever, so their mean stays 0, while
// one averaged buffer would be 0 too — but their buffers differ: after two rounds client 0's is −(1 + μ).
TEST(ByHand, MomentumIsNotAveraged) {
  const Trial t = trial("celgc", 2, 1, {{"eta", 0.1}, {"gamma", inf}, {"momentum", 0.5}});
  Quadratic objective{1, {1, 1}, {1, -1}};
  auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  test::run_on(*single_group(), t, objective, *algorithm, x, 0, 2);
  test::Snapshot state;
  algorithm->state(state);
  EXPECT_NEAR(state.per_client["momentum"][0].item<double>(), -1.5, 1e-6);
  EXPECT_NEAR(state.per_client["momentum"][1].item<double>(), 1.5, 1e-6);
}

// Odd iterations scale η and γ by 3: f = ½x², η = .1, γ = 1, from 1: x = .9, then a = min(.3, 3/.9) = .3 → .63.
// With γ = .06: a = .06 → .94; then a = min(.3, .18/.94) → .94 − .18 = .76. Unscaled γ would give .88.
TEST(ByHand, SequenceLengthScalesBothRates) {
  Quadratic objective{1, {1}, {0}};
  objective.scale = 3;
  EXPECT_NEAR(run_alone(trial("celgc", 1, 2, {{"eta", 0.1}, {"gamma", 1.0}}), objective, 1, 1).x[0].item<double>(), 0.63,
              1e-6);
  EXPECT_NEAR(run_alone(trial("celgc", 1, 2, {{"eta", 0.1}, {"gamma", 0.06}}), objective, 1, 1).x[0].item<double>(), 0.76,
              1e-6);
}

// EPISODE's resampled mini-batches are none of the local steps: the iteration, which sequence lengths and their rates go by,
// is that of the round's first step for them, and counts local steps only. Two mini-batches for Gⁱ, then I = 3, twice.
TEST(Invariants, ResamplingDoesNotMoveTheSchedule) {
  struct Watched : Quadratic {
    using Quadratic::Quadratic;
    BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
      iterations.push_back(draw.iteration);
      steps.push_back(draw.step);
      return Quadratic::gradient(draw, y);
    }
    std::vector<int64_t> iterations, steps;
  };
  const Trial t = trial("episode", 1, 3, {{"resampling", int64_t{2}}});
  Watched objective{1, {1}, {0}, 0.1};
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  test::run_on(*single_group(), t, objective, *algorithm, x, 0, 2);
  EXPECT_EQ(objective.iterations, (std::vector<int64_t>{0, 0, 0, 1, 2, 3, 3, 3, 4, 5}));
  EXPECT_EQ(objective.steps, (std::vector<int64_t>{0, 1, 2, 3, 4, 0, 1, 2, 3, 4}));  // and every mini-batch is another
}

// 0/0 is 0: where the gradient has always been 0, generalized SignSGD, Adam and normalized SGD stay.
TEST(Invariants, NothingMovesWithoutAGradient) {
  for (const char* name : {"sign-sgd-gen", "adam", "normalized"})
    EXPECT_EQ(l2_norm(run_alone(trial(name, 1, 1), {3, {1}, {0}}, 3).x.back()), 0) << name;
}

// γ/(1e-10 + ‖g‖), as in the published code: a normalised step along a zero vector is no step, not 0/0.
TEST(Invariants, ANormalisedStepAlongNothingIsNoStep) {
  Quadratic objective{1, {1}, {0}};
  const auto group = single_group();
  RoundSetup s;
  s.objective = &objective;
  s.group = group.get();
  s.sampled = {0};
  s.rates = [](int) { return Rates{1.0, 0.25}; };
  Round r(std::move(s));
  const Vec x = r.mean([&](Client& i) {
    Vec y = i.start(at::zeros({1}));
    const Vec g = i.gradient(y);
    const double a = i.normalized(r.rates(0), l2_norm(g));
    EXPECT_DOUBLE_EQ(a, 0.25 / 1e-10);
    descend(y, g, a, {}, nullptr);
    return y;
  });
  EXPECT_EQ(x.item<float>(), 0);
}

// Runs a round of the method with three clients that disagree a lot, and returns what the round saw of their drift.
Drift drift_of(const std::string& name, double gamma, const std::function<int(int)>& steps) {
  const Trial t = trial(name, 3, 5, {{"gamma", gamma}});
  Quadratic objective{5, {1, 0.5, 2}, {100, -300, 7}, 50};
  const auto group = single_group();
  RoundSetup s;
  s.objective = &objective;
  s.group = group.get();
  s.interval = steps ? std::max({steps(0), steps(1), steps(2)}) : 5;
  s.clients = 3;
  s.sampled = {0, 1, 2};
  s.steps = steps;
  s.drift_models = s.clients;
  s.bounded_drift = true;
  s.rates = [gamma](int step) { return Rates{1.0, gamma * (1 + step)}; };
  Round r(std::move(s));
  Vec x = at::zeros({5});
  t.method->make(t.options)->round(r, x);
  return r.report().drift;
}

// Lemma 2 of Liu et al.: no client is ever further than 2γI from the mean, whatever the noise, in each method whose row says
// so. γ grows here from step to step, so the bound is 2 (1 + 2 + 3 + 4 + 5) γ. Where clients take different numbers of
// steps, a client's way and the longest one count: with 1, 8 and 8, (1 + 36) γ of the first, which is far behind the others.
TEST(Invariants, TheDriftThatARoundSeesIsWithinTwoGammaI) {
  int methods = 0;
  for (const AlgorithmInfo& row : algorithms()) {
    if (!row.short_steps) continue;
    ++methods;
    for (const double gamma : {0.01, 3.0}) {
      const Drift d = drift_of(row.name, gamma, nullptr);
      EXPECT_DOUBLE_EQ(d.bound, 30 * gamma) << row.name;
      EXPECT_GT(d.distance, 0.1 * gamma) << row.name;
      EXPECT_LE(d.distance, d.bound * (1 + 1e-5)) << row.name;
    }
    const Drift own = drift_of(row.name, 0.01, [](int client) { return client == 0 ? 1 : 8; });
    EXPECT_DOUBLE_EQ(own.bound, 0.01 * (own.client == 0 ? 37 : 72)) << row.name;
    EXPECT_LE(own.distance, own.bound * (1 + 1e-5)) << row.name;
  }
  EXPECT_GE(methods, 2);
}

// The figure would show a step that is too long: FedAvg does not clip, and its clients are far beyond the bound.
TEST(Invariants, UnclippedClientsGoBeyondTheBound) {
  const Drift d = drift_of("fedavg", 0.01, nullptr);
  EXPECT_GT(d.distance, 100 * d.bound);
}

}  // namespace
}  // namespace tacet
