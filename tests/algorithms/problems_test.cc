// Every method on every problem of the suite: a new one of either is picked up by itself.
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "algorithms/example/example.h"
#include "support/placements.h"
#include "support/problems.h"

namespace tacet {
namespace {

using namespace test;

// Where a method is known not to get on, with the reason. The suite then only asks that it stays finite.
const char* excuse(const std::string& method, const std::string& problem) {
  // Each client's step has a length of its own choosing, so a steep client counts no more than a flat one.
  const bool clients_differ = problem == "stuck-pair" || problem == "quartic-pair" || problem == "rare-slope";
  if (method == "fed-lamb" && clients_differ) return "layer-wise normalised steps of clients that disagree";
  return nullptr;
}

struct EveryPair : testing::TestWithParam<std::tuple<std::string, std::string>> {
  std::string method_name() const { return std::get<0>(GetParam()); }
  std::string problem_name() const { return std::get<1>(GetParam()); }
  int clients() const { return natural_clients(problem_name()); }
  Trial setting(int n) const {
    Trial t = trial(method_by_name(method_name()), n, 2, {{"eta", 0.02}, {"gamma", 0.1}});
    if (t.options.has("epsilon")) t.options.set("epsilon", 1e-2);
    return t;
  }
  bool runs() const { return !method_by_name(method_name()).single_client || clients() == 1; }
};

TEST_P(EveryPair, GetsLower) {
  const Trial t = setting(method_by_name(method_name()).single_client && clients() != 2 ? 1 : clients());
  if (t.method->single_client && t.clients != 1) return;  // a pair of clients is two clients
  const Problem p = problem(problem_name(), t.clients);
  const Outcome r = run_problem(p, {.kind = "gaussian", .scale = 0.1}, t, 100);
  const double before = value(p, p.start), after = f_at(p, r.x);
  ASSERT_TRUE(std::isfinite(after));
  if (!excuse(method_name(), problem_name())) {
    EXPECT_LT(after, before - 0.01 * std::abs(before));
  }
}

TEST_P(EveryPair, PlacementDoesNotChangeTheAnswer) {
  const Trial t = setting(method_by_name(method_name()).single_client ? 1 : clients());
  if (t.clients == 1) return;  // nothing to place
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
  for (const Method& m : test::every_method()) all.push_back(m.name);
  return all;
}
std::vector<std::string> problem_names() {
  std::vector<std::string> all;
  for (const Entry& e : functions()) all.push_back(e.name);
  return all;
}
std::string plain(std::string name) {
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = c == '+' ? 'p' : '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Suite, EveryPair,
                         testing::Combine(testing::ValuesIn(method_names()), testing::ValuesIn(problem_names())),
                         [](const auto& param_info) {
                           return plain(std::get<0>(param_info.param)) + "_on_" + plain(std::get<1>(param_info.param));
                         });

}  // namespace
}  // namespace tacet
