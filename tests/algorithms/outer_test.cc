// Inner and outer optimisers, methods whose messages hold numbers, and Clip21: identities and rounds worked out by hand.
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "algorithms/example/example.h"
#include "algorithms/muon.h"
#include "algorithms/run_alone.h"
#include "support/placements.h"
#include "support/problems.h"
#include "tacet/error.h"

namespace tacet::outer_test {
namespace {

using test::expect_same_bits;
using test::Options;
using test::Quadratic;
using test::run_alone;
using test::Trace;
using test::Trial;
using test::trial;
using test::with;

constexpr double inf = test::infinite;

Quadratic three() { return {5, {1, 0.5, 2}, {1, -1, 3}, 0.5}; }

void expect_close(const Trace& a, const Trace& b, double relative = 1e-5) {
  for (size_t r = 0; r < a.x.size(); ++r)
    EXPECT_LT(l2_norm(a.x[r] - b.x[r]), relative * l2_norm(b.x[r]) + 1e-9) << "round " << r;
}

// DiLoCo with SGD inside, which neither clips nor decays.
const Options plain = {
    {"inner", std::string("sgd")}, {"gamma", inf}, {"max_norm", inf}, {"weight_decay", 0.0}, {"outer_eta", 1.0}};
const Options sgd_outside = with(plain, {{"outer", std::string("sgd")}});

// ---- diloco ----

TEST(Diloco, WithAPlainOuterStepIsFedAvgOrCelgc) {
  const Options step = {{"momentum", 0.9}, {"weight_decay", 0.1}};
  expect_close(run_alone(trial("diloco", 3, 4, with(sgd_outside, step)), three(), 6),
               run_alone(trial("fedavg", 3, 4, step), three(), 6));
  for (const bool inside : {true, false}) {
    const Options clipped = with(step, {{"gamma", 0.2}, {"decay_in_norm", inside}});
    expect_close(run_alone(trial("diloco", 3, 4, with(sgd_outside, clipped)), three(), 6),
                 run_alone(trial("celgc", 3, 4, clipped), three(), 6));
  }
}

// While η is constant, β u + D for SlowMo's β u + D/η moves x by as much.
TEST(Diloco, WithHeavyBallIsSlowMo) {
  (void)test::every_method();  // adds it
  const Options heavy = {{"outer", std::string("momentum")}, {"outer_momentum", 0.6}, {"outer_eta", 0.8}};
  expect_close(run_alone(trial("diloco", 3, 4, with(plain, heavy)), three(), 6),
               run_alone(trial("slowmo", 3, 4, {{"beta", 0.6}, {"alpha", 0.8}}), three(), 6));
}

TEST(Diloco, WithAdamOutsideIsFedAdam) {
  const Options adam = {
      {"outer", std::string("adam")}, {"outer_momentum", 0.8}, {"outer_beta2", 0.7}, {"outer_tau", 0.1}, {"outer_eta", 0.3},
      {"weight_decay", 0.1}};
  expect_close(run_alone(trial("diloco", 3, 4, with(plain, adam)), three(), 6),
               run_alone(trial("fed-adam", 3, 4,
                               {{"beta1", 0.8}, {"beta2", 0.7}, {"tau", 0.1}, {"server_eta", 0.3}, {"weight_decay", 0.1}}),
                         three(), 6));
}

// f = ½(x − 4)², η = ¼, I = 2: y is 4 − (4 − x)·9/16, so D = x − y = −(4 − x)·7/16. Lookahead moves α of the way.
// From 0, D = −7/4. α = ½: x = 7/8; then D = −(25/8)(7/16) = −175/128, x = 7/8 + 175/256 = 399/256.
//   Heavy ball, α = ½, β = ½ (FedAvgM): x = 7/8; u = −7/8 − 175/128 = −287/128, x = 7/8 + 287/256 = 511/256.
//   Nesterov: D + βu = −7/4·3/2, x = 21/16; D = −(43/16)(7/16) = −301/256, u = −7/8 − 301/256 = −525/256,
//     D + βu = −301/256 − 525/512 = −1127/512, x = 21/16 + 1127/1024 = 2471/1024.
TEST(Diloco, ByHand) {
  const struct {
    const char* outer;
    double first, second;
  } rows[] = {{"sgd", 7.0 / 8, 399.0 / 256}, {"momentum", 7.0 / 8, 511.0 / 256}, {"nesterov", 21.0 / 16, 2471.0 / 1024}};
  for (const auto& row : rows) {
    const Options given = {{"outer", std::string(row.outer)}, {"outer_momentum", 0.5}, {"outer_eta", 0.5}, {"eta", 0.25}};
    const Trace t = run_alone(trial("diloco", 1, 2, with(plain, given)), {1, {1}, {4}}, 2);
    EXPECT_NEAR(t.x[0].item<double>(), row.first, 1e-6) << row.outer;
    EXPECT_NEAR(t.x[1].item<double>(), row.second, 1e-6) << row.outer;
  }
}

// ---- the inner optimiser ----

const Options adamw =
    with(sgd_outside, {{"inner", std::string("adamw")}, {"beta1", 0.8}, {"beta2", 0.7}, {"epsilon", 0.01}});

// On one client rounds are only where x is shown: moments and their count go on.
TEST(Inner, AdamWGoesOnOverRoundsAndIsAdam) {
  const Trace adam =
      run_alone(trial("adam", 1, 1, {{"beta1", 0.8}, {"beta2", 0.7}, {"epsilon", 0.01}}), {5, {1.5}, {2}}, 12);
  for (const int I : {1, 3}) {
    const Trace t = run_alone(trial("diloco", 1, I, adamw), {5, {1.5}, {2}}, 12 / I);
    for (size_t r = 0; r < t.x.size(); ++r) {
      const Vec& same = adam.x[(r + 1) * static_cast<size_t>(I) - 1];
      EXPECT_LT(l2_norm(t.x[r] - same), 1e-5 * l2_norm(same)) << "I = " << I << ", round " << r;
    }
  }
}

// f = ½(x − 1)² from 3: the first step of Adam is η along the sign, and y is first shrunk by ηλ: 3·.95 − .1 = 2.75. Inside
// the gradient λ changes only its size, which Adam does not see: 2.9.
TEST(Inner, DecayIsDecoupledUnlessItIsInTheNorm) {
  for (const bool inside : {true, false}) {
    const Options given = {{"eta", 0.1}, {"epsilon", 1e-12}, {"weight_decay", 0.5}, {"decay_in_norm", inside}};
    const Trace t = run_alone(trial("diloco", 1, 1, with(adamw, given)), {1, {1}, {1}}, 1, 3);
    EXPECT_NEAR(t.x[0].item<double>(), inside ? 2.9 : 2.75, 1e-6);
  }
}

// f = ½(x − 4)² from 0, η = ½, μ = ½: γ = 1 takes steps of γ along gradients and its share of the buffer's; max_norm = 2
// bounds what goes into the buffer.
//   γ: g = −4, a = 1/4, m = −4, x = 1; g = −3, a = 1/3, m = −5, x = 1 + 5/3.
//   max_norm: g = −2, m = −2, x = 1; g = −2, m = −3, x = 2.5.
TEST(Inner, GammaBoundsTheStepAndMaxNormTheGradient) {
  const Options momentum = {{"eta", 0.5}, {"momentum", 0.5}};
  const Trace by_gamma =
      run_alone(trial("diloco", 1, 1, with(sgd_outside, with(momentum, {{"gamma", 1.0}}))), {1, {1}, {4}}, 2);
  EXPECT_NEAR(by_gamma.x[1].item<double>(), 1 + 5.0 / 3, 1e-6);
  EXPECT_EQ(by_gamma.counters[0].clipped, 1);
  const Trace by_norm =
      run_alone(trial("diloco", 1, 1, with(sgd_outside, with(momentum, {{"max_norm", 2.0}}))), {1, {1}, {4}}, 2);
  EXPECT_NEAR(by_norm.x[1].item<double>(), 2.5, 1e-5);
  EXPECT_EQ(by_norm.counters[0].clipped, 1);
  EXPECT_EQ(by_norm.counters[0].norm, 4);
}

TEST(Inner, MomentsStayWithTheirClient) {
  const Trial t = trial("diloco", 2, 1, adamw);
  Quadratic objective{1, {1, 1}, {1, -1}};
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  test::run_on(*single_group(), t, objective, *algorithm, x, 0, 2);
  test::Snapshot state;
  algorithm->state(state);
  // x stays 0, so client 0 has seen −1 twice: m = −(.2 + .8·.2).
  EXPECT_NEAR(state.per_client["first_moments"][0].item<double>(), -0.36, 1e-6);
  EXPECT_NEAR(state.per_client["first_moments"][1].item<double>(), 0.36, 1e-6);
  EXPECT_EQ(state.per_client["steps"][1].item<double>(), 2);
}

// ---- muon ----

TEST(Muon, BringsSingularValuesNear1) {
  const at::Tensor matrix = at::arange(24).to(at::kFloat).sin_().view({4, 6}).contiguous();
  for (const char* iteration : {"jordan", "muloco"}) {
    const at::Tensor O = orthogonalised(matrix, iteration);
    const at::Tensor tall = orthogonalised(matrix.t().contiguous(), iteration);
    EXPECT_LT((O - tall.t()).abs().max().item<double>(), 1e-3) << iteration;
    // OOᵀ has eigenvalues within [.65², 1.25²] where the matrix has some, and 0 elsewhere.
    const at::Tensor square = O.matmul(O.t());
    EXPECT_LT(square.norm().item<double>(), 1.42 * 1.25 * 1.25);  // sines: two singular values
    EXPECT_GT(square.norm().item<double>(), 1.41 * 0.65 * 0.65);
  }
}

// A matrix of one column is a vector: O = m/‖m‖ up to the iteration's factor, which lies near 1. Its step goes by √(rows/
// cols) = √3, the two vectors' coordinates are AdamW's, at others_rate · η.
TEST(Muon, StepsAlongMatricesAndLeavesTheRestToAdamW) {
  const Options given = with(sgd_outside, {{"inner", std::string("muon")}, {"epsilon", 1e-12}, {"others_rate", 0.5}});
  const Trace t = run_alone(trial("muloco", 1, 1, given), {5, {1}, {1}}, 1, 3);
  for (int64_t j = 0; j < 2; ++j) EXPECT_NEAR(t.x[0][j].item<double>(), 3 - 0.05, 1e-5);
  const double turned = orthogonalised(at::full({3, 1}, 2.0), "muloco")[0][0].item<double>();
  EXPECT_NEAR(turned, 1 / std::sqrt(3.0), 0.1);
  for (int64_t j = 2; j < 5; ++j) EXPECT_NEAR(t.x[0][j].item<double>(), 3 - 0.1 * std::sqrt(3.0) * turned, 1e-5);
}

// ---- numbers in messages ----

// Three of five clients take part. Two of them send 1 + id and its square, client 2 leaves both at 0. By weight, client 4
// counts three times.
TEST(Numbers, OfAMessageAreAveragedAsItsVectorIs) {
  for (const bool weighted : {false, true}) {
    struct Out {
      std::vector<double> numbers;
      float vector = 0, buffer = 0;
      int64_t bytes = 0;
    };
    const auto work = [&](Group& group) {
      Quadratic objective{2, {1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}};
      objective.weights = {1, 1, 1, 1, 3};
      RoundSetup s;
      s.objective = &objective;
      s.group = &group;
      s.clients = 5;
      s.sampled = {0, 2, 4};
      s.rates = [](int) { return Rates{0.1, 1}; };
      Round r(std::move(s));
      Out out{{0, 0}, 0, 0, 0};
      const NumbersFn f = [](Client& i, std::vector<double>& numbers) {
        i.gradient(i.start(at::zeros({2})));
        if (i.id() != 2) numbers = {1.0 + i.id(), std::pow(1.0 + i.id(), 2)};
        return at::full({2}, static_cast<double>(i.id()));
      };
      const Vec mean = weighted ? r.weighted_mean(Vec(), out.numbers, f) : r.mean(Vec(), out.numbers, f);
      out.vector = mean[1].item<float>();
      out.buffer = objective.buffers().item<float>();
      out.bytes = r.report().client_bytes;
      EXPECT_EQ(r.report().counters.losses, 3);
      return out;
    };
    for (const int ranks : {1, 2, 5})
      for (const Out& out : test::on_ranks<Out>(ranks, work)) {
        EXPECT_FLOAT_EQ(static_cast<float>(out.numbers[0]), weighted ? 16.0f / 5 : 2.0f);
        EXPECT_FLOAT_EQ(static_cast<float>(out.numbers[1]), weighted ? 76.0f / 5 : 26.0f / 3);
        EXPECT_FLOAT_EQ(out.vector, weighted ? 14.0f / 5 : 2.0f);
        EXPECT_FLOAT_EQ(out.buffer, 1);
        EXPECT_EQ(out.bytes, (2 + 1 + 2) * 4);
      }
  }
}

// ---- fed-nova ----

TEST(FedNova, OfEqualStepsIsFedAvg) {
  Quadratic weighted = three();
  weighted.weights = {0.5, 1.7, 0.8};
  for (const bool by_weight : {true, false})
    expect_close(run_alone(trial("fed-nova", 3, 4, {{"weighted", by_weight}, {"weight_decay", 0.1}}), weighted, 6),
                 run_alone(trial("fedavg", 3, 4, {{"weighted", by_weight}, {"weight_decay", 0.1}}), weighted, 6));
}

// Slopes: f_1 = −x and f_2 = 3x far from their ends, by parabolas of tiny curvature; η = ½. One step of client 1 and three
// of client 2: its d is 3, client 1's −1, their mean 1; τ = 2, so x = −½·2·1 = −1. FedAvg goes to ½(½ − 4.5) = −2.
TEST(FedNova, DividesByTheStepsTaken) {
  const Quadratic slopes{1, {1e-6, 3e-6}, {1e6, -1e6}};
  for (const char* name : {"fed-nova", "fedavg"}) {
    Trial t = trial(name, 2, 3, {{"eta", 0.5}});
    t.steps = [](int client) { return client == 0 ? 1 : 3; };
    EXPECT_NEAR(run_alone(t, slopes, 1).x[0].item<double>(), std::string(name) == "fedavg" ? -2 : -1, 1e-4) << name;
  }
  // With ρ = ½ three steps weigh 1 + 1.5 + 1.75 = 4.25, τ = (1 + 4.25)/2; each d is as before.
  Trial t = trial("fed-nova", 2, 3, {{"eta", 0.5}, {"momentum", 0.5}});
  t.steps = [](int client) { return client == 0 ? 1 : 3; };
  const Trace trace = run_alone(t, slopes, 1);
  EXPECT_NEAR(trace.x[0].item<double>(), -0.5 * 2.625, 1e-4);
  EXPECT_NEAR(trace.notes[0].at("effective_steps"), 2.625, 1e-6);
}

// ---- feddyn ----

// Two parabolas whose joint minimum is (1·1 + 4·(−1))/5 = −.6. FedAvg with five steps rests elsewhere.
TEST(FedDyn, FindsTheCommonMinimumWhereFedAvgDoesNot) {
  const Quadratic two{1, {1, 4}, {1, -1}};
  EXPECT_NEAR(run_alone(trial("feddyn", 2, 5, {{"alpha", 0.5}, {"gamma", inf}}), two, 200).x.back().item<double>(), -0.6,
              1e-3);
  EXPECT_GT(std::abs(run_alone(trial("fedavg", 2, 5), two, 200).x.back().item<double>() + 0.6), 0.05);
}

TEST(FedDyn, KeepsLTheMeanOfItsParts) {
  Trial t = trial("feddyn", 3, 4, {{"alpha", 0.3}});
  t.sampled = {{0, 2}, {1}};
  test::expect_mean_of_parts(t, three(), "l", "shifts");
}

// f = ½(x − 4)², one client, α = ½, η = ½, I = 1, weight 2, so that α/(N p) is ¼:
//   g = −4, y = 2, l = 2, x = 2 + 2 = 4. Then g = 0 + ¼(0 + 2) = ½: y = 3.75, l = 1.75, x = 5.5.
TEST(FedDyn, ByHand) {
  Quadratic objective{1, {1}, {4}};
  objective.weights = {2};
  const Trace t = run_alone(trial("feddyn", 1, 1, {{"alpha", 0.5}, {"eta", 0.5}, {"gamma", inf}}), objective, 2);
  EXPECT_NEAR(t.x[0].item<double>(), 4, 1e-6);
  EXPECT_NEAR(t.x[1].item<double>(), 5.5, 1e-6);
}

// ---- fed-exp ----

// Equal changes: Σ‖Dⁱ‖²/(2S‖D‖²) is ½, so η is 1.
TEST(FedExp, OfClientsThatAgreeIsFedAvg) {
  const Quadratic equal{5, {1, 1, 1}, {2, 2, 2}};
  expect_close(run_alone(trial("fed-exp", 3, 4, {{"gamma", inf}}), equal, 6), run_alone(trial("fedavg", 3, 4), equal, 6));
}

// f_1 = ½(x − 3)², f_2 = ½(x + 1)², η = 1 from 0, I = 1: D = −3 and 1, mean −1; Σ‖D‖² = 10, so η = 10/(2·2(1 + 1)) = 1.25.
TEST(FedExp, ByHand) {
  const Trace t =
      run_alone(trial("fed-exp", 2, 1, {{"eta", 1.0}, {"gamma", inf}, {"server_epsilon", 1.0}}), {1, {1, 1}, {3, -1}}, 1);
  EXPECT_NEAR(t.x[0].item<double>(), 1.25, 1e-6);
  EXPECT_NEAR(t.notes[0].at("server_eta"), 1.25, 1e-6);
}

// ---- clip21 ----

TEST(Clip21, WithoutClippingIsSgd) {
  expect_close(run_alone(trial("clip21", 3, 2, {{"gamma", inf}}), three(), 6), run_alone(trial("sgd", 3, 2), three(), 6));
}

// f_1' = x − 3, f_2' = x + 4, η = 1, τ = γ = 2. Round 1: messages −2 and 2, x = 0. Round 2: −1 and 2, g = ½, x = −½, the
// minimum. Round 3: −½ and −½, g = 0. CELGC stays at 0 for ever; EPISODE is there after one round.
TEST(Clip21, IsNotStuckWhereCelgcIs) {
  const Problem p = test::problem("stuck-pair", 2);
  const auto go = [&](const char* name) {
    return test::run_problem(p, {}, trial(name, 2, 1, {{"eta", 1.0}, {"gamma", 2.0}}), 5).trace;
  };
  const Trace clip21 = go("clip21");
  const float expected[] = {0, -0.5f, -0.5f, -0.5f, -0.5f};
  for (size_t r = 0; r < 5; ++r) EXPECT_EQ(clip21.x[r].item<float>(), expected[r]) << r;
  EXPECT_EQ(clip21.counters[0].clipped, 2);
  EXPECT_EQ(clip21.counters[3].clipped, 0);
  for (const Vec& x : go("celgc").x) EXPECT_EQ(x.item<float>(), 0.0f);
  EXPECT_NEAR(go("episode").x.back().item<float>(), -0.5f, 1e-6);
}

// ---- scaffnew ----

TEST(Scaffnew, FindsTheCommonMinimumWithShiftsWhoseMeanIsZero) {
  const Quadratic two{1, {1, 4}, {1, -1}};
  const Trial t = trial("scaffnew", 2, 5, {{"gamma", inf}});
  Quadratic objective = two;
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  const Trace trace = test::run_on(*single_group(), t, objective, *algorithm, x, 0, 200);
  EXPECT_NEAR(x.item<double>(), -0.6, 1e-3);
  test::Snapshot s;
  algorithm->state(s);
  EXPECT_NEAR((s.per_client["shifts"][0] + s.per_client["shifts"][1]).item<double>(), 0, 1e-5);
  // The gradient of the first client there is −1.6.
  EXPECT_NEAR(s.per_client["shifts"][0].item<double>(), -1.6, 1e-2);
}

// A round has I steps on average; its length is one for all and that of a geometric distribution.
TEST(Scaffnew, DrawsTheLengthsOfItsRounds) {
  const auto algorithm = find_algorithm("scaffnew").make(trial("scaffnew", 1, 1).options);
  for (const int I : {1, 4}) {
    double sum = 0, ones = 0;
    for (int64_t r = 0; r < 4000; ++r) {
      const int steps = algorithm->draw_steps({7, Stream::everyone, Purpose::round_length, r, 0}, I);
      sum += steps;
      ones += steps == 1;
    }
    EXPECT_NEAR(sum / 4000, I, 5 * I / std::sqrt(4000)) << I;
    EXPECT_NEAR(ones / 4000, 1.0 / I, 0.04) << I;
  }
  const Trace t = run_alone(trial("scaffnew", 3, 4), three(), 20);
  double steps = 0;
  std::set<double> lengths;
  for (const Counters& c : t.counters) steps += c.steps, lengths.insert(c.steps / 3);
  EXPECT_GT(lengths.size(), 3u);
  EXPECT_EQ(lengths.count(std::floor(*lengths.begin())), 1u);  // whole numbers: all clients take as many
}

// ---- local-adam, des-loc ----

TEST(DesLoc, WithOnePeriodIsLocalAdam) {
  expect_same_bits(
      run_alone(trial("des-loc", 3, 3, {{"first_every", int64_t{1}}, {"second_every", int64_t{1}}}), three(), 6),
      run_alone(trial("local-adam", 3, 3), three(), 6));
}

// Clients at ±1 with x between them: their second moments agree, their first ones are opposite until they are averaged.
TEST(DesLoc, AveragesMomentsWhenTheyAreDue) {
  const Trial t = trial("des-loc", 2, 1, {{"first_every", int64_t{2}}, {"second_every", int64_t{4}}});
  Quadratic objective{1, {1, 1}, {1, -1}};
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  for (int64_t r = 0; r < 4; ++r) {
    test::run_on(*single_group(), t, objective, *algorithm, x, r, r + 1);
    test::Snapshot s;
    algorithm->state(s);
    const double apart = (s.per_client["first_moments"][0] - s.per_client["first_moments"][1]).abs().item<double>();
    if (r % 2 == 1)
      EXPECT_LT(apart, 1e-7) << r;
    else
      EXPECT_GT(apart, 0.1) << r;
  }
}

// f = ½(x − 1)² from 4, ε tiny: the gradient 3 is shortened to 1; m = .1, v = .05, and the step η·.1/√.05.
TEST(DesLoc, ByHand) {
  const Trace t = run_alone(trial("local-adam", 1, 1, {{"epsilon", 1e-12}}), {1, {1}, {1}}, 1, 4);
  EXPECT_NEAR(t.x[0].item<double>(), 4 - 0.1 * 0.1 / std::sqrt(0.05), 1e-6);
}

// ---- norm-ec ----

// One client f = ½(x − 1)² from 4, α = 1, β = ½, η = .1: d = ½·3/4 = 3/8, x = 4 − 3/80; normalised: x = 3.9.
TEST(NormEc, ByHand) {
  const Options given = {{"alpha", 1.0}, {"message_length", 0.5}};
  EXPECT_NEAR(run_alone(trial("norm-ec", 1, 1, given), {1, {1}, {1}}, 1, 4).x[0].item<double>(), 4 - 3.0 / 80, 1e-6);
  EXPECT_NEAR(
      run_alone(trial("norm-ec", 1, 1, with(given, {{"server_normalised", true}})), {1, {1}, {1}}, 1, 4).x[0].item<double>(),
      3.9, 1e-6);
}

// With a large α and β = α a message is the difference itself: gradient descent.
TEST(NormEc, WithLongMessagesIsSgd) {
  const Quadratic exact{5, {1, 0.5, 2}, {1, -1, 3}};
  expect_close(run_alone(trial("norm-ec", 3, 1, {{"alpha", 1e6}, {"message_length", 1e6}}), exact, 8),
               run_alone(trial("sgd", 3, 1), exact, 8), 1e-4);
}

TEST(NormEc, KeepsGTheMeanOfItsParts) {
  Trial t = trial("norm-ec", 3, 4);
  t.sampled = {{0, 2}, {1}};
  test::expect_mean_of_parts(t, three(), "g", "sent");
}

// ---- i-nsgd ----

// Exact gradients: f = ½(x − 1)² from 5, η = .1: g = 4, h = max(1, ½(4 + 1)) = 2.5; β = ½: x = 5 − .4/√2.5. Nearer than
// h = 1 it is gradient descent.
TEST(IndependentNormalized, ByHand) {
  const Options given = {{"power", 0.5}, {"gain", 0.5}, {"noise_floor", 1.0}};
  EXPECT_NEAR(run_alone(trial("i-nsgd", 1, 1, given), {1, {1}, {1}}, 1, 5).x[0].item<double>(), 5 - 0.4 / std::sqrt(2.5),
              1e-6);
  EXPECT_NEAR(run_alone(trial("i-nsgd", 1, 1, given), {1, {1}, {1}}, 1, 1.5).x[0].item<double>(), 1.45, 1e-6);
}

}  // namespace
}  // namespace tacet::outer_test
