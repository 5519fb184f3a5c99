// One suite for every method in the table: whatever is added to it is picked up here by itself.
#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "algorithms/example/example.h"
#include "support/error_of.h"
#include "support/placements.h"
#include "support/quadratic.h"
#include "support/test_name.h"
#include "tacet/error.h"

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

// A method, or one with every choice made otherwise: "celgc", "celgc otherwise".
const std::string otherwise = " otherwise";

bool has_choices(const AlgorithmInfo& m) {
  return std::any_of(m.options.begin(), m.options.end(),
                     [](const Option& o) { return o.kind == Kind::flag || o.name == "delta" || o.name == "inner"; });
}

struct Suite : testing::TestWithParam<std::string> {
  bool chooses() const { return GetParam().ends_with(otherwise); }
  const AlgorithmInfo& method() const {
    const std::string name = GetParam();
    return find_algorithm(chooses() ? name.substr(0, name.size() - otherwise.size()) : name);
  }
  int clients() const { return method().single_client ? 1 : 7; }
  // With momentum and weight decay wherever the method has them, so that all of its state is in play.
  Trial busy(int clients_, int interval) const {
    Trial t = trial(method(), clients_, interval);
    if (t.options.has("momentum")) t.options.set("momentum", 0.9);
    if (t.options.has("weight_decay")) t.options.set("weight_decay", 0.01);
    if (t.options.has("persist")) t.options.set("persist", true);
    if (t.options.has("variate")) t.options.set("variate", std::string("drift"));
    if (t.options.has("fragments")) t.options.set("fragments", int64_t{2});
    if (t.options.has("noise_multiplier")) t.options.set("noise_multiplier", 0.3);
    if (method().name == "clip21") t.options.set("beta1", 0.5), t.options.set("message_share", 0.5);
    if (!chooses()) return t;
    for (const Option& o : method().options)
      if (o.kind == Kind::flag) t.options.set(o.name, !std::get<bool>(*o.fallback));
    if (t.options.has("delta")) t.options.set("delta", 0.3);
    if (t.options.has("variate")) t.options.set("variate", std::string("average"));
    if (t.options.has("inner")) t.options.set("inner", std::string(t.options.text("inner") == "sgd" ? "adamw" : "sgd"));
    if (t.options.has("outer")) t.options.set("outer", std::string("adam"));
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
  Trial plain = trial(method(), clients(), 2);
  if (plain.options.has("epsilon")) plain.options.set("epsilon", 0.1);  // where v̂ starts: 1e-8 makes a first step of 1e4 η
  if (plain.options.has("server_eta")) plain.options.set("server_eta", 0.1);
  if (plain.options.has("outer_eta")) plain.options.set("outer_eta", 0.1);
  if (plain.options.has("trust")) plain.options.set("trust", 0.1);  // for rates that are not LARS's
  const Trace t = run(*single_group(), plain, 60);
  const auto loss = [&](size_t r) { return t.counters[r].loss / t.counters[r].losses; };
  EXPECT_LT(loss(59), 0.9 * loss(0));
}

// A checkpoint reads x while the next rounds run: a copy, unless the method's row says that it needs none.
TEST_P(Suite, WritesIntoTheModelOfTheRoundBeforeOrSaysThatItDoesNot) {
  const Trial t = busy(clients(), 2);
  Quadratic objective = seven();
  auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  std::vector<Vec> models = {x}, copies = {x.clone()};
  for (int64_t r = 0; r < 4; ++r) {
    test::run_on(*single_group(), t, objective, *algorithm, x, r, r + 1);
    models.push_back(x);
    copies.push_back(x.clone());
  }
  bool fresh = true;
  for (size_t r = 0; r < models.size(); ++r) fresh = fresh && same_bits(models[r], copies[r]);
  EXPECT_EQ(fresh, method().fresh_models) << "fresh_models of the method's row";
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
  if (clients() == 1 || method().every_client) return;  // nothing to sample from
  Trial t = busy(clients(), 2);
  t.sampled = {{0, 3, 6}, {5}, {1, 2, 3, 4}};  // with 5 ranks, most of them have nobody in round 1
  const Trace alone = run(*single_group(), t, 6);
  for (int ranks : {2, 5})
    for (const Trace& other : test::on_ranks<Trace>(ranks, [&](Group& g) { return run(g, t, 6); }))
      EXPECT_TRUE(same_bits(alone.x.back(), other.x.back()));
}

TEST_P(Suite, StoppingDoesNotChangeTheAnswer) {
  Trial t = busy(clients(), 2);
  // Some clients come for the first time after a cut, and some come again.
  if (!method().every_client && !method().single_client) t.sampled = {{0, 1, 2}, {2, 3}, {0, 3, 4}, {1, 4, 5, 6}, {2, 6}};
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

TEST_P(Suite, TalksAsMuchAsItsRowSays) {
  const int rounds = 6;  // des-loc sends some vectors in every third and sixth
  for (int interval : {1, 4}) {
    const Trial trial = busy(clients(), interval);
    const Trace t = run(*single_group(), trial, rounds);
    const double vectors = method().vectors_sent(interval) / method().parts_of(trial.options);
    // A message holds 11 parameters a vector and one buffer in 4-byte floats; of two messages for one vector, as in
    // celgc-overlap, one holds the vector and the other one the buffer.
    const double buffers = std::min<double>(t.collectives, rounds * method().vectors_sent(interval));
    const int64_t numbers = rounds * method().numbers_sent;
    const int64_t parameters = t.client_bytes - (static_cast<int64_t>(buffers) + numbers) * 4;
    std::printf("%-28s I = %d: %g collectives and %g vectors a round (its row: %g, %g)\n", GetParam().c_str(), interval,
                t.collectives / 6.0, static_cast<double>(parameters) / (rounds * 11 * 4), method().collectives(interval),
                vectors);
    EXPECT_EQ(t.collectives, rounds * method().collectives(interval));
    EXPECT_EQ(static_cast<double>(parameters), rounds * vectors * 11 * 4);
  }
}

TEST_P(Suite, OneClientHasNobodyToTalkTo) {
  const Trace t = run(*single_group(), busy(1, 2), 3);
  EXPECT_EQ(t.collectives, 0);
  EXPECT_EQ(t.client_bytes, 0);
}

// η = 0.1 and γ = 0.2 mean a threshold of 2; nothing is longer than ‖g‖, so the shown figures are bounded by it.
TEST_P(Suite, CountsEveryStep) {
  const Trace t = run(*single_group(), trial(method(), clients(), 3), 2);
  for (const Counters& c : t.counters) {
    EXPECT_GT(c.steps, 0);
    EXPECT_EQ(c.steps, c.norms);
    EXPECT_GT(c.norm, 0);
    EXPECT_LE(c.clipped, c.steps);
    EXPECT_EQ(c.skipped, 0);
    if (const Values o = trial(method(), 1, 1).options; !o.has("gamma") && !o.has("max_norm")) {
      EXPECT_EQ(c.clipped, 0);
    }
  }
}

// A client whose third gradient, or all whose gradients from a round on, are not finite.
struct Explosive : Quadratic {
  explicit Explosive(int64_t round = 1, bool from_there_on = false)
      : Quadratic(seven()), round_(round), from_there_on_(from_there_on) {}
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    const BatchLoss s = Quadratic::gradient(draw, y);
    if (draw.client == 0 && (from_there_on_ ? draw.round >= round_ : draw.round == round_ && draw.step == 0))
      gradient_buffer()[2] = std::numeric_limits<float>::infinity();
    return s;
  }

 private:
  int64_t round_;
  bool from_there_on_;
};

// Local epochs: a client's own number of steps, where the row says that its loop asks for it.
TEST_P(Suite, TakesEachClientsOwnStepsOrHasNoLocalEpochs) {
  EXPECT_EQ(find_option(method().options, "local_epochs") != nullptr, method().own_steps);
  if (!method().own_steps) return;
  Trial t = busy(clients(), 3);
  const Trace plain = run(*single_group(), t, 4);
  t.steps = [](int) { return 3; };
  EXPECT_TRUE(same_bits(plain.x.back(), run(*single_group(), t, 4).x.back())) << "I of each client";
  t.steps = [](int client) { return 1 + client % 3; };
  const Trace alone = run(*single_group(), t, 4);
  EXPECT_FALSE(same_bits(plain.x.back(), alone.x.back()));
  EXPECT_EQ(alone.counters.back().losses, 1 + 2 + 3 + 1 + 2 + 3 + 1);
  for (const Trace& other : test::on_ranks<Trace>(3, [&](Group& g) { return run(g, t, 4); }))
    EXPECT_TRUE(same_bits(alone.x.back(), other.x.back()));
}

TEST_P(Suite, StopsWithRoundClientAndStepAtAGradientThatIsNotFinite) {
  const Trial t = busy(clients(), 2);
  Explosive objective;
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  test::expect_mentions(test::error_of([&] { test::run_on(*single_group(), t, objective, *algorithm, x, 0, 3); }),
                        {"the gradient is not finite at round 2, client 0, local step 1: lower algorithm.eta"});
}

// Before the first step no rate can be to blame.
TEST_P(Suite, DoesNotBlameTheRatesBeforeTheFirstStep) {
  const Trial t = busy(clients(), 2);
  Explosive objective(0);
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  const std::string message = test::error_of([&] { test::run_on(*single_group(), t, objective, *algorithm, x, 0, 1); });
  test::expect_mentions(message, {"not finite at round 1, client 0, local step 1: no step has been taken yet"});
  EXPECT_EQ(message.find("lower"), std::string::npos);
}

TEST_P(Suite, SkipsAndCountsAGradientThatIsNotFiniteWhenAsked) {
  Trial t = busy(clients(), 2);
  t.skip_non_finite = true;
  Explosive objective;
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  const Trace trace = test::run_on(*single_group(), t, objective, *algorithm, x, 0, 3);
  EXPECT_EQ(trace.counters[0].skipped, 0);
  EXPECT_EQ(trace.counters[1].skipped, 1);
  EXPECT_TRUE(std::isfinite(l2_norm(x)));
}

// Returns what a method keeps for client 0 between its steps. A client's own model is none of it: it follows the server too.
std::map<std::string, Vec> own_state(Algorithm& algorithm) {
  Snapshot now;
  algorithm.state(now);
  std::map<std::string, Vec> own;
  for (const auto& [name, all] : now.per_client)
    if (const auto found = all.find(0); found != all.end() && name != "models") own[name] = found->second;
  return own;
}

TEST_P(Suite, ASkippedStepLeavesItsClientsStateAsItWas) {
  Trial t = busy(1, 1);
  t.skip_non_finite = true;
  Explosive objective(2, /*from_there_on=*/true);
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  test::run_on(*single_group(), t, objective, *algorithm, x, 0, 2);
  const auto before = own_state(*algorithm);
  test::run_on(*single_group(), t, objective, *algorithm, x, 2, 3);
  for (const auto& [name, vector] : own_state(*algorithm)) EXPECT_TRUE(same_bits(vector, before.at(name))) << name;
}

// Runs six rounds, in the first of which a client's only gradient is skipped, and expects the seventh to move x. That client
// has no step behind it, whatever the method divides by their number.
void expect_to_go_on_after_a_skipped_first_round(Trial t) {
  t.skip_non_finite = true;
  Explosive objective(0);
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  test::run_on(*single_group(), t, objective, *algorithm, x, 0, 6);
  const Vec before = x.clone();
  test::run_on(*single_group(), t, objective, *algorithm, x, 6, 7);
  EXPECT_GT(l2_norm(x - before), 0);
  EXPECT_TRUE(std::isfinite(l2_norm(x)));
}

TEST_P(Suite, GoesOnAfterAFirstRoundThatAClientSkips) { expect_to_go_on_after_a_skipped_first_round(busy(clients(), 1)); }

// With `persist` v is divided by 1 − β₂ᵗ: of a client without a step that was 1/0, and held v̂ infinite for all.
TEST(FedLamb, ThatPersistsGoesOnAfterAFirstRoundThatAClientSkips) {
  expect_to_go_on_after_a_skipped_first_round(trial("fed-lamb", 2, 1, {{"persist", true}}));
}

TEST_P(Suite, ReadsNoMoreThanItsOptions) {
  for (const Option& o : method().options) {
    EXPECT_FALSE(o.doc.empty()) << o.name;
    if (o.fallback) {
      EXPECT_FALSE(complaint(o, *o.fallback)) << o.name;
    }
  }
  EXPECT_NO_THROW(method().make(trial(method(), 1, 1).options));
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const AlgorithmInfo& m : test::every_method()) {
    all.push_back(m.name);
    if (has_choices(m)) all.push_back(m.name + otherwise);
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(EveryMethod, Suite, testing::ValuesIn(names()),
                         [](const auto& param_info) { return test::test_name(param_info.param); });

}  // namespace
}  // namespace tacet
