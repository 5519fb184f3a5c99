// Every method on every problem of the suite: a new one of either is picked up by itself.
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "algorithms/example/example.h"
#include "support/placements.h"
#include "support/problems.h"
#include "support/test_name.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

using namespace test;

struct EveryPair : testing::TestWithParam<std::tuple<std::string, std::string>> {
  std::string method_name() const { return std::get<0>(GetParam()); }
  std::string problem_name() const { return std::get<1>(GetParam()); }
  const AlgorithmInfo& method() const { return find_algorithm(method_name()); }
  // A method of one client runs where a problem lets it.
  int clients() const {
    const int natural = natural_clients(problem_name());
    return method().single_client && natural == 4 ? 1 : natural;
  }
  Trial setting() const {
    Trial t = trial(method(), clients(), 2, {{"eta", 0.02}, {"gamma", 0.1}});
    if (t.options.has("epsilon")) t.options.set("epsilon", 1e-2);
    if (t.options.has("outer_eta")) t.options.set("outer_eta", 0.1);
    if (t.options.has("trust")) t.options.set("trust", 0.5);  // for rates that are not LARS's
    return t;
  }
};

TEST_P(EveryPair, GetsLower) {
  const Trial t = setting();
  if (method().single_client && t.clients != 1) return;  // a pair of clients is two clients
  const Problem p = problem(problem_name(), t.clients);
  const Outcome r = run_problem(p, {.kind = "gaussian", .scale = 0.1}, t, 100);
  const double before = value(p, p.start), after = f_at(p, r.x);
  ASSERT_TRUE(std::isfinite(after));
  // FED-LAMB's steps have a length of each client's own choosing: on the rare slope the one steep client counts no more than
  // the flat ones, and f does not fall.
  // The local steps of Adam and Muon are such, too, and on the stuck pair those of local Adam undo each other.
  // DP-FedAvg shortens the steep client's change to the middle length of all.
  const std::string name = method_name();
  const bool local_adam = name == "local-adam" || name == "des-loc";
  const bool own_length = local_adam || name == "fed-lamb" || name.starts_with("diloco") || name == "muloco" ||
                          name == "sparseloco" || name == "dp-fedavg";
  if (own_length && problem_name() == "rare-slope") return;
  if (local_adam && problem_name() == "stuck-pair") return;
  EXPECT_LT(after, before - 0.01 * std::abs(before));
}

TEST_P(EveryPair, PlacementDoesNotChangeTheAnswer) {
  if (method().single_client) return;  // nothing to place
  const Trial t = setting();
  const Problem p = problem(problem_name(), t.clients);
  const Noise noise{.kind = "student"};
  const Vec alone = run_problem(p, noise, t, 5).x;
  for (const Vec& x : on_ranks<Vec>(2, [&](Group& group) {
         const auto objective = make_function_objective(p, noise, 100);
         const auto algorithm = t.method->make(t.options);
         Vec mine = objective->initial();
         run_on(group, t, *objective, *algorithm, mine, 0, 5);
         return mine;
       }))
    ASSERT_EQ(0, std::memcmp(alone.data_ptr(), x.data_ptr(), x.nbytes()));
}

std::vector<std::string> method_names() {
  std::vector<std::string> all;
  for (const AlgorithmInfo& m : test::every_method()) all.push_back(m.name);
  return all;
}
std::vector<std::string> problem_names() {
  std::vector<std::string> all;
  for (const ModelInfo& e : functions()) all.push_back(e.name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Suite, EveryPair,
                         testing::Combine(testing::ValuesIn(method_names()), testing::ValuesIn(problem_names())),
                         [](const auto& param_info) {
                           return test_name(std::get<0>(param_info.param) + " on " + std::get<1>(param_info.param));
                         });

}  // namespace
}  // namespace tacet
