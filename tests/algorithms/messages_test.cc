// Every method with coded messages, and the mean that is on its way while clients work.
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>

#include <gtest/gtest.h>

#include "algorithms/example/example.h"
#include "engine/message_coding.h"
#include "support/placements.h"
#include "support/quadratic.h"
#include "support/test_name.h"
#include "tacet/error.h"

namespace tacet::messages_test {
namespace {

using test::Quadratic;
using test::Snapshot;
using test::Trace;
using test::Trial;

bool same_bits(const Vec& a, const Vec& b) {
  return a.numel() == b.numel() && std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

// 600 parameters: three blocks of a message.
Quadratic five() { return {600, {1, 0.5, 2, 1, 0.25}, {1, -1, 0.5, 2, -2}, 0.3}; }

struct Coded : testing::TestWithParam<std::tuple<std::string, std::string>> {
  const AlgorithmInfo& method() const { return find_algorithm(std::get<0>(GetParam())); }
  MessageKind kind() const { return message_kind(std::get<1>(GetParam())); }
  // A quarter of the values with topk, so that much is left out.
  MessageCoder coder(const Trial& t) const {
    return MessageCoder(kind(), {.density = 0.25, .chunk = 256, .values = "2bit", .feedback = 1},
                        method().parts_of(t.options));
  }
  Trial busy() const {
    Trial t = test::trial(method(), 5, 3);
    if (t.options.has("momentum")) t.options.set("momentum", 0.9);
    if (t.options.has("epsilon")) t.options.set("epsilon", 0.1);
    if (t.options.has("server_eta")) t.options.set("server_eta", 0.1);
    if (t.options.has("outer_eta")) t.options.set("outer_eta", 0.1);
    if (t.options.has("fragments")) t.options.set("fragments", int64_t{2});
    return t;
  }
  Trace run(Group& group, const Trial& t, int64_t rounds) const {
    Quadratic objective = five();
    const auto algorithm = t.method->make(t.options);
    MessageCoder messages = coder(t);
    Vec x = objective.initial();
    return test::run_on(group, t, objective, *algorithm, x, 0, rounds, &messages);
  }
};

TEST_P(Coded, PlacementDoesNotChangeTheAnswer) {
  Trial t = busy();
  if (!method().every_client) t.sampled = {{0, 1, 2, 3, 4}, {0, 3}, {4}};
  const Trace alone = run(*single_group(), t, 4);
  for (const int ranks : {2, 5})  // on 5, each sends its one message as it is
    for (const Trace& other : test::on_ranks<Trace>(ranks, [&](Group& g) { return run(g, t, 4); })) {
      for (size_t r = 0; r < alone.x.size(); ++r)
        ASSERT_TRUE(same_bits(alone.x[r], other.x[r])) << ranks << " ranks, round " << r;
      EXPECT_EQ(alone.client_bytes, other.client_bytes);
      EXPECT_EQ(alone.buffer, other.buffer);
    }
}

TEST_P(Coded, StoppingDoesNotChangeTheAnswer) {
  const Trial t = busy();
  const auto group = single_group();
  const Trace whole = run(*group, t, 6);
  Quadratic objective = five();
  Vec x = objective.initial();
  Snapshot state;
  {
    const auto algorithm = t.method->make(t.options);
    MessageCoder messages = coder(t);
    test::run_on(*group, t, objective, *algorithm, x, 0, 3, &messages);
    algorithm->state(state);
    messages.state(state);
  }
  const auto algorithm = t.method->make(t.options);
  MessageCoder messages = coder(t);
  state.restoring = true;
  algorithm->state(state);
  messages.state(state);
  const Trace rest = test::run_on(*group, t, objective, *algorithm, x, 3, 6, &messages);
  EXPECT_TRUE(same_bits(whole.x.back(), rest.x.back()));
}

// The codes cost next to nothing here: the last losses are those of messages that are as they are. A quarter of the values,
// of which each has one of four sizes, costs more, and what arrives late is more than a client's momentum of 0.9 bears.
TEST_P(Coded, GetsAsFar) {
  Trial t = busy();
  const bool is_sparse = kind() == MessageKind::topk;
  if (is_sparse && t.options.has("momentum")) t.options.set("momentum", 0.0);
  const Trace coded = run(*single_group(), t, 40);
  Quadratic objective = five();
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  const Trace plain = test::run_on(*single_group(), t, objective, *algorithm, x, 0, 40);
  const auto loss = [](const Trace& trace) { return trace.counters.back().loss / trace.counters.back().losses; };
  EXPECT_FALSE(same_bits(coded.x.back(), plain.x.back()));
  // The step of fed-exp goes by how far changes disagree, so small differences grow.
  const double apart = method().name == "fed-exp" || is_sparse ? 0.2 : 0.02;
  EXPECT_NEAR(loss(coded), loss(plain), apart * loss(plain));
}

// Beside a coordinate that moves by 1 a round, of which a step of the code is 1/127, one that moves by 0.001 is always
// rounded to nothing. What is left out adds up until it is sent: after 40 rounds it is where it should be, to within a step.
TEST(Int8, WhatIsTooSmallToBeSentIsSentLater) {
  const auto second_coordinate = [](MessageCoder* messages) {
    Quadratic objective(2, {1, 1}, {1, 1});
    const Trial t = test::trial("fedavg", 2, 1, {{"eta", 0.001}});
    const auto algorithm = t.method->make(t.options);
    Vec x = at::tensor({1000.0f, 0.0f});
    test::run_on(*single_group(), t, objective, *algorithm, x, 0, 40, messages);
    return x[1].item<double>();
  };
  MessageCoder int8(MessageKind::int8);
  EXPECT_NEAR(second_coordinate(nullptr), 0.0392, 1e-3);
  EXPECT_NEAR(second_coordinate(&int8), 0.0392, 1.0 / 127);
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const AlgorithmInfo& m : test::every_method())
    if (!m.single_client) all.push_back(m.name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(MessageCoder, Coded,
                         testing::Combine(testing::ValuesIn(names()), testing::Values("bf16", "int8", "topk")),
                         [](const auto& param_info) {
                           return test::test_name(std::get<0>(param_info.param) + " " + std::get<1>(param_info.param));
                         });

// ---- a mean on its way ----

// Counts gradients, for who waits for them.
struct Steps {
  std::mutex mutex;
  std::condition_variable changed;
  int taken = 0;
  bool in_time = true;
};

struct Counting : Quadratic {
  Counting(Steps& s) : Quadratic(600, {1, 2}, {1, -1}, 0.3), steps(s) {}
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    const BatchLoss sample = Quadratic::gradient(draw, y);
    const std::lock_guard lock(steps.mutex);
    ++steps.taken;
    steps.changed.notify_all();
    return sample;
  }
  Steps& steps;
};

// Returns true when the message that began after `before` steps may arrive, as `now` have been taken.
using MayArrive = std::function<bool(int before, int now)>;

// A network on which nothing large arrives earlier than that.
struct Slow : Group {
  Slow(Group& g, Steps& s, const MayArrive& m) : group(g), steps(s), may_arrive(m) {}
  int rank() const override { return group.rank(); }
  int size() const override { return group.size(); }
  int64_t bytes_sent() const override { return group.bytes_sent(); }
  std::string backend() const override { return group.backend(); }
  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    int64_t floats = 0;
    for (const auto& pieces : to)
      for (const Piece& piece : pieces) floats += piece.bytes / static_cast<int64_t>(sizeof(float));
    if (floats > 100) {
      std::unique_lock lock(steps.mutex);
      const int before = steps.taken;
      steps.in_time = steps.in_time && steps.changed.wait_for(lock, std::chrono::seconds(20),
                                                              [&] { return may_arrive(before, steps.taken); });
    }
    group.exchange(to, from);
  }
  Group& group;
  Steps& steps;
  const MayArrive& may_arrive;
};

// Expects four rounds of four steps on two ranks of a slow network to take their steps in time, and to end as one rank does.
void expect_steps_beside(const Trial& t, const MayArrive& may_arrive) {
  const auto run = [&](Group& group, Steps& steps) {
    Counting objective(steps);
    const auto algorithm = t.method->make(t.options);
    Vec x = objective.initial();
    return test::run_on(group, t, objective, *algorithm, x, 0, 4);
  };
  Steps unused;
  const Trace alone = run(*single_group(), unused);
  for (const Trace& trace : test::on_ranks<Trace>(2, [&](Group& g) {
         Steps steps;
         Slow slow(g, steps, may_arrive);
         const Trace mine = run(slow, steps);
         EXPECT_TRUE(steps.in_time);
         EXPECT_EQ(steps.taken, 16);
         return mine;
       }))
    EXPECT_TRUE(same_bits(trace.x.back(), alone.x.back()));
}

// With a delay of 3 the first three steps of a round are taken while its message is on its way.
TEST(Overlap, StepsAreTakenWhileTheMessageTravels) {
  const Trial t = test::trial("celgc-overlap", 2, 4, {{"delay", int64_t{3}}});
  expect_steps_beside(t, [](int before, int now) { return now >= before / 4 * 4 + 3; });
}

// With a delay of 3, a part of the model is sent after the first step of a round, and the other three are taken meanwhile.
TEST(Overlap, StepsAreTakenWhileAPartTravels) {
  const Trial t = test::trial("diloco-streaming", 2, 4,
                              {{"delay", int64_t{3}}, {"fragments", int64_t{2}}, {"merge", std::string("add")}});
  expect_steps_beside(t, [](int, int now) { return now > 0 && now % 4 == 0; });
}

// A group on which the first exchange fails.
struct Broken : Slow {
  using Slow::Slow;
  void exchange(const std::vector<std::vector<Piece>>&, const std::vector<std::vector<Piece>>&) override {
    throw PeerLost(1, "worker 1 is gone");
  }
};

TEST(Overlap, AWorkerThatIsLostOnTheWayIsToldWhereTheMeanIsNeeded) {
  auto groups = thread_groups(2, 1);
  Steps steps;
  Broken broken(*groups[0], steps, 0);
  Counting objective(steps);
  const Trial t = test::trial("celgc-overlap", 2, 4, {{"delay", int64_t{2}}});
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  EXPECT_THROW(test::run_on(broken, t, objective, *algorithm, x, 0, 1), PeerLost);
  EXPECT_EQ(steps.taken, 2);
}

}  // namespace
}  // namespace tacet::messages_test
