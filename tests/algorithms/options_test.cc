// Options of methods: identities between settings, and rounds worked out by hand.
#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "algorithms/run_alone.h"
#include "tacet/error.h"

namespace tacet::options_test {
namespace {

using test::expect_same_bits;
using test::Quadratic;
using test::run_alone;
using test::Trace;
using test::Trial;
using test::trial;

constexpr double inf = test::infinite;

void expect_close(const Trace& a, const Trace& b, double relative = 1e-5) {
  for (size_t r = 0; r < a.x.size(); ++r)
    EXPECT_LT(l2_norm(a.x[r] - b.x[r]), relative * l2_norm(b.x[r]) + 1e-9) << "round " << r;
}

// ---- decay_in_norm ----

std::vector<std::string> with_option(const std::string& option) {
  std::vector<std::string> names;
  for (const AlgorithmInfo& m : algorithms())
    if (find_option(m.options, option)) names.push_back(m.name);
  return names;
}

// ½a(x − b)² + ½λx² is ½(a + λ)(x − ab/(a + λ))² but for a constant. Corrections hold no decay. In EPISODE's it would
// cancel, being that of one point, and on one client it would in the others. γ/η = 0.1 is below every norm, so each round
// clips.
TEST(DecayInNorm, IsDecayOfTheLossItself) {
  const double lambda = 0.5;
  const Quadratic plain{5, {1, 2}, {2, 3}}, with_decay{5, {1 + lambda, 2 + lambda}, {2 / 1.5, 6 / 2.5}};
  const auto names = with_option("decay_in_norm");
  EXPECT_GE(names.size(), 10u);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const int N = find_algorithm(name).single_client || name == "scaffold" || name == "episode++" ? 1 : 2;
    // An optimiser that divides by the gradient's size makes a rounding visible.
    const double relative = find_option(find_algorithm(name).options, "inner") ? 1e-3 : 1e-5;
    expect_close(
        run_alone(trial(name, N, 3, {{"gamma", 0.01}, {"weight_decay", lambda}, {"decay_in_norm", true}}), plain, 8),
        run_alone(trial(name, N, 3, {{"gamma", 0.01}, {"weight_decay", 0.0}}), with_decay, 8), relative);
  }
}

// Without decay there is nothing to put inside.
TEST(DecayInNorm, OfNoDecayChangesNoBit) {
  const Quadratic two{5, {1, 2}, {2, -3}, 0.5};
  for (const std::string& name : with_option("decay_in_norm")) {
    SCOPED_TRACE(name);
    const int N = find_algorithm(name).single_client ? 1 : 2;
    const std::map<std::string, Value> none = {{"weight_decay", 0.0}};
    expect_same_bits(run_alone(trial(name, N, 3, {{"weight_decay", 0.0}, {"decay_in_norm", true}}), two, 5),
                     run_alone(trial(name, N, 3, none), two, 5));
  }
}

// η = .5, γ = .4, λ = 1, f = ½(x − 1)² from 1.8: g = .8, g + λx = 2.6. Inside the norm a = .4/2.6 and the step is .4 long;
// outside a = .4/.8 = .5 and it is 1.3 long.
TEST(DecayInNorm, DecidesWhichVectorIsAsLongAsGamma) {
  for (const bool inside : {true, false})
    EXPECT_NEAR(
        run_alone(trial("celgc", 1, 1, {{"eta", 0.5}, {"gamma", 0.4}, {"weight_decay", 1.0}, {"decay_in_norm", inside}}),
                  {1, {1}, {1}}, 1, 1.8)
            .x[0]
            .item<double>(),
        inside ? 1.4 : 0.5, 1e-6);
}

// ---- momentum of corrected steps ----

// One client corrects nothing, and γ m/‖m‖ does not depend on whether m is a sum or an average of gradients.
TEST(CorrectedMomentum, OfOneClientThatAlwaysClipsIsNormalizedSgd) {
  const Quadratic one{5, {1.5}, {2}};
  const Trace reference = run_alone(trial("normalized", 1, 1, {{"eta", 0.01}, {"beta", 0.7}}), one, 30);
  for (const char* name : {"episode", "episode++", "scaffold"}) {
    SCOPED_TRACE(name);
    expect_close(run_alone(trial(name, 1, 1, {{"eta", 1e6}, {"gamma", 0.01}, {"momentum", 0.7}}), one, 30), reference);
  }
}

// Steps that are not clipped: the heavy ball of fedavg, with decay in the buffer.
TEST(CorrectedMomentum, OfOneClientThatNeverClipsIsFedAvgs) {
  const Quadratic one{5, {1.5}, {2}};
  const std::map<std::string, Value> options = {{"momentum", 0.7}, {"weight_decay", 0.1}};
  const Trace reference = run_alone(trial("fedavg", 1, 4, options), one, 8);
  for (const char* name : {"episode", "episode++", "scaffold"}) {
    SCOPED_TRACE(name);
    auto unclipped = options;
    unclipped["gamma"] = inf;
    expect_close(run_alone(trial(name, 1, 4, unclipped), one, 8), reference);
  }
}

// η = ½, γ = ¼, μ = ½, one client f = ½(x − 4)² from 0, I = 2, every step clipped by the buffer:
//   m = −4, x = ¼; m = −2 − 3.75 = −5.75, x = ½. Both steps are as long as γ.
TEST(CorrectedMomentum, ByHand) {
  for (const char* name : {"episode", "episode++", "scaffold"}) {
    const Trial t = trial(name, 1, 2, {{"eta", 0.5}, {"gamma", 0.25}, {"momentum", 0.5}});
    Quadratic objective{1, {1}, {4}};
    const auto algorithm = t.method->make(t.options);
    Vec x = objective.initial();
    test::run_on(*single_group(), t, objective, *algorithm, x, 0, 1);
    test::Snapshot state;
    algorithm->state(state);
    EXPECT_NEAR(x.item<double>(), 0.5, 1e-6) << name;
    EXPECT_NEAR(state.per_client["momentum"][0].item<double>(), -5.75, 1e-6) << name;
  }
}

// ---- init_corrections ----

// Exact gradients of equal curvature: cⁱ = ∇f_i(x_0), so every client steps along the mean gradient, from round 1 on.
TEST(InitCorrections, MakeScaffoldOfOneStepTheNaiveStep) {
  const Quadratic three{5, {2, 2, 2}, {1, -1, 3}};
  const Trace naive = run_alone(trial("naive-clip", 3, 1), three, 8);
  expect_close(run_alone(trial("scaffold", 3, 1, {{"init_corrections", true}}), three, 8), naive);
  const Trace from_zero = run_alone(trial("scaffold", 3, 1), three, 1);
  EXPECT_GT(l2_norm(from_zero.x[0] - naive.x[0]), 0.01);
}

TEST(InitCorrections, KeepCTheMeanOfItsParts) {
  Trial t = trial("scaffold", 3, 4, {{"init_corrections", true}});
  t.sampled = {{0, 2}, {1}};
  test::expect_mean_of_parts(t, {5, {1, 0.5, 2}, {1, -1, 3}, 0.5}, "c", "variates");
}

// ---- naive-clip-partial ----

TEST(NaiveClipPartial, InWhichAllMeetIsNaiveClip) {
  const Quadratic four{5, {1, 0.5, 2, 1}, {1, -1, 3, 2}, 0.5};
  for (const bool inside : {true, false}) {
    const std::map<std::string, Value> options = {{"weight_decay", 0.1}, {"decay_in_norm", inside}};
    expect_same_bits(run_alone(trial("naive-clip-partial", 4, 3, options), four, 6),
                     run_alone(trial("naive-clip", 4, 3, options), four, 6));
  }
}

// f_1 = ½(x − 1)², f_2 = (x + 1)², η = .5, γ = .4, from 0. Client 1 alone: g = −1, .4 clipped → .4. Client 2 alone, still at
// 0: g = 2 → −.4. Both: their models' mean is 0; their gradients −.6 and 1.2 have the mean .3: 0 − .5·.3 = −.15.
TEST(NaiveClipPartial, ByHand) {
  Trial t = trial("naive-clip-partial", 2, 1, {{"eta", 0.5}, {"gamma", 0.4}});
  t.sampled = {{0}, {1}, {0, 1}};
  const Trace trace = run_alone(t, {1, {1, 2}, {1, -1}}, 3);
  EXPECT_NEAR(trace.x[0].item<double>(), 0.4, 1e-6);
  EXPECT_NEAR(trace.x[1].item<double>(), -0.4, 1e-6);
  EXPECT_NEAR(trace.x[2].item<double>(), -0.15, 1e-6);
  EXPECT_EQ(trace.collectives, 3);
}

// ---- delta and per_layer ----

// η = 1, γ = .1, f = ½(x − 1)² from 0: the clipped factor is .1. δ = .05 changes nothing, δ = .5 makes it .5; γ = .7 is
// more.
TEST(Delta, IsTheLeastShareOfThePlainStep) {
  for (const char* name : {"sgd-clip", "celgc"})
    for (const auto& [delta, gamma, x] : {std::tuple{0.05, 0.1, 0.1}, {0.5, 0.1, 0.5}, {0.5, 0.7, 0.7}}) {
      const Trace t = run_alone(trial(name, 1, 1, {{"eta", 1.0}, {"gamma", gamma}, {"delta", delta}}), {1, {1}, {1}}, 1);
      EXPECT_NEAR(t.x[0].item<double>(), x, 1e-6) << name << ", δ = " << delta;
      EXPECT_EQ(t.counters[0].clipped, 1);
    }
}

// 3 + 3 coordinates at distance 1 from the minimum: a layer's gradient is √3 long, the whole √6. η = 1, γ = .3.
TEST(PerLayer, ClipsEveryLayerByItsOwnNorm) {
  for (const char* name : {"sgd-clip", "celgc", "naive-clip"}) {
    const auto step = [&](bool per_layer) {
      return run_alone(trial(name, 1, 1, {{"eta", 1.0}, {"gamma", 0.3}, {"per_layer", per_layer}}), {6, {1}, {1}}, 1);
    };
    const Trace layers = step(true);
    for (int64_t j = 0; j < 6; ++j) EXPECT_NEAR(layers.x[0][j].item<double>(), 0.3 / std::sqrt(3.0), 1e-6) << name;
    EXPECT_NEAR(step(false).x[0][0].item<double>(), 0.3 / std::sqrt(6.0), 1e-6) << name;
    EXPECT_EQ(layers.counters[0].steps, 2);
    EXPECT_EQ(layers.counters[0].clipped, 2);
    EXPECT_NEAR(layers.counters[0].norm, 2 * std::sqrt(3.0), 1e-5);
  }
}

TEST(PerLayer, WithoutClippingChangesNoBit) {
  const std::map<std::string, Value> plain = {{"gamma", inf}, {"momentum", 0.9}, {"weight_decay", 0.1}};
  auto layers = plain;
  layers["per_layer"] = true;
  const Quadratic three{5, {1, 0.5, 2}, {1, -1, 3}, 0.5};
  for (const char* name : {"celgc", "naive-clip"})
    expect_same_bits(run_alone(trial(name, 3, 4, layers), three, 6), run_alone(trial(name, 3, 4, plain), three, 6));
}

// ---- per_coordinate and max_update ----

// f = ½‖x − 1‖² from 0 but for the first coordinate, which starts at 1/2: g = −.5 and −1, η = 1, γ = .3: every coordinate
// moves by .3. With δ = .5 the second one keeps half its step.
TEST(PerCoordinate, ClipsEveryCoordinateByItself) {
  for (const char* name : {"sgd-clip", "celgc", "naive-clip"}) {
    const Trial t = trial(name, 1, 1, {{"eta", 1.0}, {"gamma", 0.3}, {"per_coordinate", true}});
    Quadratic objective{2, {1}, {1}};
    const auto algorithm = t.method->make(t.options);
    Vec x = at::tensor({0.5f, 0.0f});
    const Trace trace = test::run_on(*single_group(), t, objective, *algorithm, x, 0, 1);
    EXPECT_NEAR(x[0].item<double>(), 0.8, 1e-6) << name;
    EXPECT_NEAR(x[1].item<double>(), 0.3, 1e-6) << name;
    EXPECT_EQ(trace.counters[0].clipped, 1);
    EXPECT_EQ(trace.counters[0].norm, 1);
  }
  const Trace least = run_alone(
      trial("celgc", 1, 1, {{"eta", 1.0}, {"gamma", 0.3}, {"per_coordinate", true}, {"delta", 0.5}}), {2, {1}, {1}}, 1);
  EXPECT_NEAR(least.x[0][1].item<double>(), 0.5, 1e-6);
}

TEST(PerCoordinate, WithoutClippingIsThePlainStep) {
  const std::map<std::string, Value> plain = {{"gamma", inf}, {"momentum", 0.9}, {"weight_decay", 0.1}};
  auto coordinates = plain;
  coordinates["per_coordinate"] = true;
  const Quadratic three{5, {1, 0.5, 2}, {1, -1, 3}, 0.5};
  for (const char* name : {"celgc", "naive-clip"})
    expect_close(run_alone(trial(name, 3, 4, coordinates), three, 6), run_alone(trial(name, 3, 4, plain), three, 6));
}

// Two clients at ±10 that agree on nothing: without a bound x moves to the mean of 10 and −20 steps, with one of .3 both
// move by .3.
TEST(MaxUpdate, BoundsWhatAClientChangesInARound) {
  for (const char* name : {"celgc", "fedavg"}) {
    const Quadratic two{1, {1, 2}, {10, -10}};
    const Trace bounded = run_alone(trial(name, 2, 3, {{"gamma", inf}, {"max_update", 0.3}}), two, 1);
    EXPECT_NEAR(bounded.x[0].item<double>(), 0, 1e-6) << name;
    EXPECT_LT(run_alone(trial(name, 2, 3, {{"gamma", inf}}), two, 1).x[0].item<double>(), -1) << name;
    expect_same_bits(run_alone(trial(name, 2, 3, {{"max_update", 1e6}}), two, 4), run_alone(trial(name, 2, 3), two, 4));
  }
}

// ---- adam, lamb, lars ----

// While |g| does not shrink v never falls: adam's own steps. With β₂ = ½ on a parabola it does, and the steps are shorter.
TEST(Amsgrad, IsAdamUntilTheSecondMomentFalls) {
  const Quadratic one{3, {1}, {1}};
  const auto with = [&](double beta2, bool amsgrad) {
    return run_alone(trial("adam", 1, 1, {{"eta", 0.05}, {"beta1", 0.0}, {"beta2", beta2}, {"amsgrad", amsgrad}}), one, 4);
  };
  expect_same_bits(with(0.999, true), with(0.999, false));
  const Trace ams = with(0.1, true), adam = with(0.1, false);
  EXPECT_LT(ams.x.back()[0].item<double>(), adam.x.back()[0].item<double>() - 1e-3);
}

// f = ½x² from 4, η = ½, β₁ = 0, β₂ = ½: v = 8, then 10.125 at x = 3.5, then 9.63 at x = 3.02, where v̂ stays 10.125.
TEST(Amsgrad, ByHand) {
  const Trace t =
      run_alone(trial("adam", 1, 1, {{"eta", 0.5}, {"beta1", 0.0}, {"beta2", 0.5}, {"epsilon", 1e-12}, {"amsgrad", true}}),
                {1, {1}, {0}}, 3, 4);
  double x = 4, v = 0, most = 0;
  for (int k = 1; k <= 3; ++k) {
    v = 0.5 * v + 0.5 * x * x;
    most = std::max(most, v);
    x -= 0.5 * x / std::sqrt(most / (1 - std::pow(0.5, k)));
    EXPECT_NEAR(t.x[static_cast<size_t>(k - 1)].item<double>(), x, 1e-5) << k;
  }
  EXPECT_GT(most, v);  // it has fallen
}

// A layer's step has the length η φ(‖x_ℓ‖) in lamb and fed-lamb, and η trust ‖x_ℓ‖ in lars, whatever the gradient.
TEST(LayerSteps, AreAsLongAsTheirPapersSay) {
  const Quadratic one{7, {1.5}, {2}, 0.5};
  const struct {
    const char* name;
    std::map<std::string, Value> options;
    double least, most, factor;  // φ's bounds; the length over η φ
  } rows[] = {
      {"lamb", {{"weight_decay", 0.1}}, 0, inf, 1},
      {"lamb", {{"weight_decay", 0.0}, {"phi_min", 3.0}, {"phi_max", 4.0}}, 3, 4, 1},
      {"fed-lamb", {{"weight_decay", 0.1}}, 0, inf, 1},
      {"fed-lamb", {{"phi_min", 3.0}, {"phi_max", 4.0}}, 3, 4, 1},
      {"lars", {{"momentum", 0.0}, {"trust", 0.25}}, 0, inf, 0.25},
  };
  for (const auto& row : rows) {
    auto options = row.options;
    options["eta"] = 0.05;
    const Trace t = run_alone(trial(row.name, 1, 1, options), one, 5, 3);
    for (size_t r = 1; r < t.x.size(); ++r)
      for (const auto& [offset, size] : {std::pair{0, 3}, {3, 4}}) {
        const Vec before = t.x[r - 1].narrow(0, offset, size).clone(), after = t.x[r].narrow(0, offset, size).clone();
        const double phi = std::clamp(l2_norm(before), row.least, row.most);
        EXPECT_NEAR(l2_norm(after - before), 0.05 * row.factor * phi, 1e-5 * phi) << row.name << ", round " << r;
      }
  }
}

// f = ½x² from 4, η = 1, trust = ½, λ = 1, μ = ½: rate = ½·4/(4 + 4) = ¼, m = ¼·8 = 2, x = 2; m = 1 + ¼·4 = 2, x = 0.
TEST(Lars, ByHand) {
  const Trace t = run_alone(trial("lars", 1, 1, {{"eta", 1.0}, {"trust", 0.5}, {"weight_decay", 1.0}, {"momentum", 0.5}}),
                            {1, {1}, {0}}, 2, 4);
  EXPECT_NEAR(t.x[0].item<double>(), 2, 1e-6);
  EXPECT_NEAR(t.x[1].item<double>(), 0, 1e-6);
}

// ---- ‖x̄ − xⁱ‖ ----

// Keeps where each client took the gradient of each local step.
struct Watched : Quadratic {
  using Quadratic::Quadratic;
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    seen[draw.iteration][draw.client] = y.clone();
    return Quadratic::gradient(draw, y);
  }
  std::map<int64_t, std::map<int, Vec>> seen;  // by local step since the run began, and client
};

// The longest ‖x̄ − xⁱ‖ before each of the I steps of a round, the largest over the rounds.
std::vector<double> drift(const Trial& t, int64_t rounds) {
  Watched objective{5, {1, 0.5, 2}, {100, -300, 7}, 50};
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  test::run_on(*single_group(), t, objective, *algorithm, x, 0, rounds);
  std::vector<double> longest(static_cast<size_t>(t.interval));
  for (const auto& [iteration, models] : objective.seen) {
    Vec mean = at::zeros({5});
    for (const auto& [id, y] : models) mean += y / static_cast<double>(models.size());
    double& worst = longest[static_cast<size_t>(iteration % t.interval)];
    for (const auto& [id, y] : models) worst = std::max(worst, l2_norm(y - mean));
  }
  return longest;
}

// Lemma 2 of Liu et al.: no client is ever further than 2γI from the mean, whatever the noise. It holds for every method
// whose steps are no longer than γ and whose clients start a round together. Rounds have six steps, so that what five of
// them did is seen. Decay inside the norm and EPISODE's momentum do not lengthen a step. In celgc-overlap a client has the
// mean of `delay` steps ago, so there the steps of a round and `delay` more count.
TEST(Invariants, ClientsStayWithinTwoGammaI) {
  const int I = 6;
  const double gamma = 0.01;
  const std::map<std::string, Value> decay = {{"weight_decay", 0.1}, {"decay_in_norm", true}},
                                     momentum = {{"momentum", 0.9}};
  const struct {
    const char* name;
    std::map<std::string, Value> options;
    int more;  // steps
  } rows[] = {{"celgc", {}, 0},
              {"celgc", decay, 0},
              {"celgc-overlap", {{"delay", int64_t{2}}}, 2},
              {"episode", {}, 0},
              {"episode", decay, 0},
              {"episode", momentum, 0},
              {"episode++", {}, 0},
              {"episode++", momentum, 0},
              {"scaffold", {}, 0},
              {"scaffold", momentum, 0},
              {"minibatch-clip", {}, 0},
              {"muloco", {{"inner", std::string("sgd")}, {"weight_decay", 0.0}}, 0},
              {"diloco", {{"inner", std::string("sgd")}, {"weight_decay", 0.0}}, 0},
              {"sparseloco", {{"inner", std::string("sgd")}, {"weight_decay", 0.0}}, 0},
              {"fed-exp", {}, 0},
              {"fed-exp", decay, 0},
              {"dp-fedavg", {}, 0},
              {"feddyn", {}, 0}};
  std::set<std::string> covered = {"celgc-partial", "naive-clip-partial", "diloco-streaming",  // clients keep their models
                                   "naive-clip",    "mixed-clip",         "sgd-clip",         "clip21",  // one model for all
                                   "scaffnew"};  // rounds of random lengths
  for (const auto& row : rows) {
    covered.insert(row.name);
    auto options = row.options;
    options["eta"] = 1.0;
    options["gamma"] = gamma;
    const std::vector<double> longest = drift(trial(row.name, 3, I, options), 8);
    for (int t = 0; t < I; ++t) {
      const int steps = row.more > 0 ? I + row.more : t;
      EXPECT_LE(longest[static_cast<size_t>(t)], 2 * gamma * steps + 1e-5) << row.name << ", step " << t;
    }
    if (std::string(row.name).starts_with("celgc")) {  // others hardly drift
      EXPECT_GT(longest.back(), 0.8 * gamma * (I - 1)) << row.name;
    }
  }
  for (const AlgorithmInfo& m : algorithms())
    if (m.clips != Clips::never) {
      EXPECT_TRUE(covered.count(m.name)) << m.name << " clips and is in neither list";
    }
}

// Steps that are not bounded by γ break the bound, so the measurement can see it broken.
TEST(Invariants, LongerStepsLeaveTheBound) {
  for (const auto& [key, value] : std::map<std::string, double>{{"delta", 0.5}, {"momentum", 0.9}})
    EXPECT_GT(drift(trial("celgc", 3, 6, {{"eta", 1.0}, {"gamma", 0.01}, {key, value}}), 8).back(), 2 * 0.01 * 5) << key;
}

}  // namespace
}  // namespace tacet::options_test
