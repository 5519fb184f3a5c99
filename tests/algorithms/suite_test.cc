// One suite for every method in the table: whatever is added to src/algorithms/table.cc is picked up here by itself.
#include <cstring>

#include <gtest/gtest.h>

#include "support/placements.h"
#include "support/quadratic.h"

namespace tacet {
namespace {

using test::Quadratic;
using test::Snapshot;
using test::Trace;
using test::Trial;
using test::trial;

bool same_bits(const Vec& a, const Vec& b) {
  return a.numel() == b.numel() && std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

// Seven clients that disagree, with noise; 11 parameters.
Quadratic seven() { return {11, {1, 0.5, 2, 1, 0.25, 1.5, 1}, {1, -1, 0.5, 2, -2, 0, 1}, 0.3}; }

struct Suite : testing::TestWithParam<std::string> {
  const Method& method() const { return find_method(GetParam()); }
  int clients() const { return method().single_client ? 1 : 7; }
  // With momentum and weight decay wherever the method has them, so that all of its state is in play.
  Trial busy(int clients_, int interval) const {
    Trial t = trial(GetParam(), clients_, interval);
    if (t.options.has("momentum")) t.options.set("momentum", 0.9);
    if (t.options.has("weight_decay")) t.options.set("weight_decay", 0.01);
    return t;
  }
  Trace run(Group& group, const Trial& t, int64_t rounds) const {
    Quadratic objective = seven();
    auto algorithm = t.method->make(t.options);
    Vec x = objective.initial();
    return test::run_on(group, t, objective, *algorithm, x, 0, rounds);
  }
};

TEST_P(Suite, LossFalls) {
  const Trace t = run(*single_group(), trial(GetParam(), clients(), 2), 60);
  const auto loss = [&](size_t r) { return t.counters[r].loss / t.counters[r].losses; };
  EXPECT_LT(loss(59), 0.9 * loss(0));
}

TEST_P(Suite, PlacementDoesNotChangeTheAnswer) {
  const Trial t = busy(clients(), 3);
  const Trace alone = run(*single_group(), t, 5);
  for (int ranks : {2, 3, 5}) {
    const auto all = test::on_ranks<Trace>(ranks, [&](Group& g) { return run(g, t, 5); });
    for (const Trace& other : all) {
      for (size_t r = 0; r < alone.x.size(); ++r)
        ASSERT_TRUE(same_bits(alone.x[r], other.x[r])) << ranks << " ranks, round " << r;
      EXPECT_EQ(alone.counters.back().loss, other.counters.back().loss);
      EXPECT_EQ(alone.buffer, other.buffer);
    }
  }
}

TEST_P(Suite, PlacementDoesNotChangeTheAnswerWhenFewAreSampled) {
  if (clients() == 1) return;  // nothing to sample from
  Trial t = busy(clients(), 2);
  t.sampled = {{0, 3, 6}, {5}, {1, 2, 3, 4}};  // with 5 ranks, most of them have nobody in round 1
  const Trace alone = run(*single_group(), t, 6);
  for (int ranks : {2, 5})
    for (const Trace& other : test::on_ranks<Trace>(ranks, [&](Group& g) { return run(g, t, 6); }))
      EXPECT_TRUE(same_bits(alone.x.back(), other.x.back()));
}

TEST_P(Suite, StoppingDoesNotChangeTheAnswer) {
  const Trial t = busy(clients(), 2);
  const auto group = single_group();
  const Trace whole = run(*group, t, 8);
  for (int64_t cut : {1, 4, 7}) {
    Quadratic objective = seven();
    Vec x = objective.initial();
    Snapshot state;
    {
      auto algorithm = t.method->make(t.options);
      test::run_on(*group, t, objective, *algorithm, x, 0, cut);
      algorithm->state(state);
    }
    auto algorithm = t.method->make(t.options);
    state.restoring = true;
    algorithm->state(state);
    const Trace rest = test::run_on(*group, t, objective, *algorithm, x, cut, 8);
    EXPECT_TRUE(same_bits(whole.x.back(), rest.x.back())) << "cut at round " << cut;
  }
}

TEST_P(Suite, SendsAsManyVectorsAsItsRowSays) {
  for (int interval : {1, 4}) {
    const Trace t = run(*single_group(), busy(clients(), interval), 3);
    const double vectors = method().vectors_sent(interval);
    // A message holds 11 parameters and one buffer in 4-byte floats.
    const int64_t parameters = t.client_bytes - int64_t{t.collectives} * 4;
    EXPECT_EQ(static_cast<double>(parameters), 3 * vectors * 11 * 4);
  }
}

TEST_P(Suite, ReadsNoMoreThanItsOptions) {
  for (const Option& o : method().options) {
    EXPECT_FALSE(o.doc.empty()) << o.name;
    if (o.fallback) {
      EXPECT_FALSE(complaint(o, *o.fallback)) << o.name;
    }
  }
  EXPECT_NO_THROW(method().make(trial(GetParam(), 1, 1).options));
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Method& m : methods()) all.push_back(m.name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(EveryMethod, Suite, testing::ValuesIn(names()), [](const auto& param_info) {
  std::string name = param_info.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

}  // namespace
}  // namespace tacet
