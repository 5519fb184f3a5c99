// Streaming DiLoCo and SparseLoCo: identities with DiLoCo, rounds worked out by hand, and parts, delays and sparse messages
// on any number of ranks.
#include <cmath>

#include <gtest/gtest.h>

#include "algorithms/example/example.h"
#include "algorithms/run_alone.h"
#include "support/error_of.h"
#include "support/placements.h"

namespace tacet::streaming_test {
namespace {

using test::expect_same_bits;
using test::Options;
using test::Quadratic;
using test::run_alone;
using test::Snapshot;
using test::Trace;
using test::Trial;
using test::trial;
using test::with;

constexpr double inf = test::infinite;

void expect_close(const Trace& a, const Trace& b, double relative = 1e-5) {
  ASSERT_EQ(a.x.size(), b.x.size());
  for (size_t r = 0; r < a.x.size(); ++r)
    EXPECT_LT(l2_norm(a.x[r] - b.x[r]), relative * l2_norm(b.x[r]) + 1e-9) << "round " << r;
}

Quadratic three(double noise = 0.5) { return {11, {1, 0.5, 2}, {1, -1, 3}, noise}; }

// SGD inside, which neither clips nor decays.
const Options plain = {{"inner", std::string("sgd")}, {"gamma", inf}, {"max_norm", inf}, {"weight_decay", 0.0}};

// ---- diloco-streaming ----

TEST(Streaming, OfOnePartWithoutDelayIsDiloco) {
  for (const char* outer : {"nesterov", "adam"}) {
    const Options given = {{"outer", std::string(outer)}, {"outer_eta", 0.4}};
    expect_same_bits(run_alone(trial("diloco-streaming", 3, 4, given), three(), 6),
                     run_alone(trial("diloco", 3, 4, given), three(), 6));
  }
}

TEST(Streaming, WithoutDelayBothMergesAreOne) {
  const Options two = {{"fragments", int64_t{2}}};
  expect_close(run_alone(trial("diloco-streaming", 3, 4, with(two, {{"merge", std::string("add")}})), three(), 6),
               run_alone(trial("diloco-streaming", 3, 4, two), three(), 6));
}

// Each part runs a DiLoCo of its own, of P times as many steps in a round, as no coordinate sees another one: the last part
// from the start, the first one after a first round of I steps.
TEST(Streaming, OfTwoPartsIsTwoInterleavedDilocos) {
  const Options adamw = {{"gamma", inf}, {"max_norm", inf}, {"epsilon", 0.1}, {"outer_eta", 0.5}};
  const Trace both = run_alone(trial("diloco-streaming", 3, 2, with(adamw, {{"fragments", int64_t{2}}})), three(0), 6);
  const Trial twice = trial("diloco", 3, 4, adamw), once = trial("diloco", 3, 2, adamw);
  const Trace second = run_alone(twice, three(0), 3);
  Quadratic objective = three(0);
  const auto algorithm = twice.method->make(twice.options);
  Vec x = objective.initial();
  Trace first = test::run_on(*single_group(), once, objective, *algorithm, x, 0, 1);
  const Trace rest = test::run_on(*single_group(), twice, objective, *algorithm, x, 1, 3);
  first.x.insert(first.x.end(), rest.x.begin(), rest.x.end());
  for (size_t k = 0; k < 3; ++k) {
    EXPECT_TRUE(both.x[2 * k].narrow(0, 0, 5).equal(first.x[k].narrow(0, 0, 5))) << k;
    EXPECT_TRUE(both.x[2 * k + 1].narrow(0, 5, 6).equal(second.x[k].narrow(0, 5, 6))) << k;
    EXPECT_FALSE(first.x[k].equal(second.x[k]));
  }
}

// f = ½(x − 4)², η = ¼ from 0, I = 2, τ = 1, plain outer steps of α = ½. The first step ends at 1, which is sent: x = ½.
// Meanwhile y goes on to 7/4.
//   replace, μ = 0:  y = 1/2, which goes to 11/8 and is sent; x = ½ + ½ · 7/8 = 15/16.
//   replace, μ = ½:  y = 9/8, sent is 59/32; x = ½ + ½ · 43/32 = 75/64.
//   add:             y = 7/4 + ½ − 1 = 5/4, sent is 31/16; x = ½ + ½ · 23/16 = 39/32.
TEST(Streaming, ByHand) {
  const Options late =
      with(plain, {{"eta", 0.25}, {"outer", std::string("sgd")}, {"outer_eta", 0.5}, {"delay", int64_t{1}}});
  const struct {
    const char* merge;
    double mix, second;
  } rows[] = {{"replace", 0, 15.0 / 16}, {"replace", 0.5, 75.0 / 64}, {"add", 0, 39.0 / 32}};
  for (const auto& row : rows) {
    const Options given = with(late, {{"merge", std::string(row.merge)}, {"mix", row.mix}});
    const Trace t = run_alone(trial("diloco-streaming", 1, 2, given), {1, {1}, {4}}, 2);
    EXPECT_NEAR(t.x[0].item<double>(), 0.5, 1e-6) << row.merge;
    EXPECT_NEAR(t.x[1].item<double>(), row.second, 1e-6) << row.merge;
  }
}

TEST(Streaming, RefusesMorePartsThanTheModelHasBlocks) {
  test::expect_mentions(test::error_of([] {
                          run_alone(trial("diloco-streaming", 3, 2, {{"fragments", int64_t{3}}}), three(), 1);
                        }),
                        {"algorithm.fragments must be <= 2, the blocks of the model, got 3"});
}

struct Streamed : testing::TestWithParam<std::tuple<std::string, std::string>> {
  Trial busy() const {
    return trial("diloco-streaming", 7, 3,
                 {{"fragments", int64_t{2}},
                  {"delay", int64_t{2}},
                  {"merge", std::get<0>(GetParam())},
                  {"mix", 0.3},
                  {"epsilon", 0.1},
                  {"outer_eta", 0.5}});
  }
  static Quadratic seven() { return {300, {1, 0.5, 2, 1, 0.25, 1.5, 1}, {1, -1, 0.5, 2, -2, 0, 1}, 0.3}; }
  MessageCoder coder() const { return MessageCoder(message_kind(std::get<1>(GetParam())), {.density = 0.2}, 2); }
};

TEST_P(Streamed, PlacementDoesNotChangeTheAnswer) {
  const auto run = [&](Group& group) {
    Quadratic objective = seven();
    const auto algorithm = busy().method->make(busy().options);
    MessageCoder messages = coder();
    Vec x = objective.initial();
    return test::run_on(group, busy(), objective, *algorithm, x, 0, 5, &messages);
  };
  const Trace alone = run(*single_group());
  EXPECT_EQ(alone.collectives, 5 * 3);
  for (const int ranks : {2, 3, 5, 7})
    for (const Trace& other : test::on_ranks<Trace>(ranks, run)) {
      expect_same_bits(alone, other);
      EXPECT_EQ(alone.buffer, other.buffer);
      EXPECT_EQ(alone.client_bytes, other.client_bytes);
    }
}

TEST_P(Streamed, StoppingDoesNotChangeTheAnswer) {
  const auto group = single_group();
  const auto go = [&](Snapshot& state, Vec& x, int64_t first, int64_t last) {
    Quadratic objective = seven();
    const auto algorithm = busy().method->make(busy().options);
    MessageCoder messages = coder();
    if (first > 0) {
      state.restoring = true;
      algorithm->state(state);
      messages.state(state);
      state.restoring = false;
    } else {
      x = objective.initial();
    }
    test::run_on(*group, busy(), objective, *algorithm, x, first, last, &messages);
    algorithm->state(state);
    messages.state(state);
  };
  Snapshot unused;
  Vec whole;
  go(unused, whole, 0, 6);
  for (const int64_t cut : {1, 2, 3, 5}) {
    Snapshot state;
    Vec x;
    go(state, x, 0, cut);
    go(state, x, cut, 6);
    EXPECT_TRUE(x.equal(whole)) << cut;
  }
}

INSTANTIATE_TEST_SUITE_P(Streaming, Streamed,
                         testing::Combine(testing::Values("replace", "add"), testing::Values("f32", "int8", "topk")),
                         [](const auto& param_info) {
                           return std::get<0>(param_info.param) + "_" + std::get<1>(param_info.param);
                         });

// ---- sparseloco ----

TEST(SparseLoco, WithWholeMessagesIsDilocoWithAPlainOuterStep) {
  expect_close(run_alone(trial("sparseloco", 3, 4, {{"outer_eta", 0.8}}), three(), 6),
               run_alone(trial("diloco", 3, 4, {{"outer", std::string("sgd")}, {"outer_eta", 0.8}}), three(), 6));
}

// Runs with these sparse messages from x.
Trace run_sparse(const Trial& t, Quadratic objective, Vec x, int64_t rounds, const SparseOptions& sparse) {
  const auto algorithm = t.method->make(t.options);
  MessageCoder messages(MessageKind::topk, sparse);
  return test::run_on(*single_group(), t, objective, *algorithm, x, 0, rounds, &messages);
}

TEST(SparseLoco, ThatSendsEverythingLeavesNothingOut) {
  const Trial t = trial("sparseloco", 3, 4);
  expect_same_bits(run_sparse(t, three(), three().initial(), 6, {.density = 1}), run_alone(t, three(), 6));
}

// f = ½‖x‖², η = ½, I = 1, two equal clients, so D = x/2; one of two values of a layer is sent, β = ½.
//   x = (4, 2 | 6, 2):   D = (2, 1 | 3, 1), sent (2, 0 | 3, 0), left (0, 1 | 0, 1).
//   x = (2, 2 | 3, 2):   e = (1, 1.5 | 1.5, 1.5), sent (0, 1.5 | 1.5, 0), the first of the equal ones; left (1, 0 | 0, 1.5).
//   x = (2, .5 | 1.5, 2): e = (1.5, .25 | .75, 1.75), sent (1.5, 0 | 0, 1.75).
//   x = (.5, .5 | 1.5, .25)
TEST(SparseLoco, ByHand) {
  const Trial t = trial("sparseloco", 2, 1, with(plain, {{"eta", 0.5}}));
  const Trace trace =
      run_sparse(t, {4, {1, 1}, {0, 0}}, at::tensor({4.0f, 2.0f, 6.0f, 2.0f}), 3, {.density = 0.5, .feedback = 0.5});
  EXPECT_TRUE(trace.x[0].equal(at::tensor({2.0f, 2.0f, 3.0f, 2.0f})));
  EXPECT_TRUE(trace.x[1].equal(at::tensor({2.0f, 0.5f, 1.5f, 2.0f})));
  EXPECT_TRUE(trace.x[2].equal(at::tensor({0.5f, 0.5f, 1.5f, 0.25f})));
}

// A message of the defaults: of a matrix of 4,096 values 64, in 24 words of places and 64 of floats, or 8 of codes and their
// means; of a vector of 4,096 one of each 64, a place and a value.
TEST(SparseLoco, SendsAFiftieth) {
  const Trial t = trial("sparseloco", 2, 1, plain);
  for (const char* values : {"f32", "2bit"}) {
    const Quadratic objective(8192, {1, 1}, {1, 1});
    const Trace trace = run_sparse(t, objective, at::zeros({8192}), 3, {.values = values});
    const int64_t matrix = 24 + (values == std::string("f32") ? 64 : 4 + 4), vector = 64 * 2, buffer = 1;
    EXPECT_EQ(trace.client_bytes, 3 * 4 * (matrix + vector + buffer));
  }
}

}  // namespace
}  // namespace tacet::streaming_test
