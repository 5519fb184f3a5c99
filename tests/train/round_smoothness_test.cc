// Smoothness along a run: curvature that is known, lines whose numbers no placement changes, and runs that don't notice it.
#include "train/round_smoothness.h"

#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/flat_objective.h"
#include "support/placements.h"
#include "support/temp_folder.h"
#include "tacet/registry.h"
#include "train/noisy_exponential.h"

namespace tacet {
namespace {

using nlohmann::json;

// f(x) = a/2 ‖x‖² with its own a and number of samples in each unit of the training set. Steps follow the gradient x.
struct Bowls : test::FlatObjective {
  Bowls() : FlatObjective(2) {}
  std::vector<float> curvatures = {1, 2, 6};
  Vec initial() override { return at::tensor({3.0f, 4.0f}); }
  BatchLoss gradient(const BatchKey&, const Vec& y) override {
    g_.copy_(y);
    return {1, 10};
  }
  int gradient_units() const override { return static_cast<int>(curvatures.size()); }
  Score unit_gradient(int unit, const Vec& y) override {
    const float a = curvatures[static_cast<size_t>(unit)];
    g_.copy_(y * (2 * a));  // the sum over two samples
    return {a * std::pow(l2_norm(y), 2), 0, 2};
  }
};

Recipe bowls_recipe(const std::vector<std::string>& sets = {}) {
  static const bool known = (add_objective({.name = "bowls"}), true);
  EXPECT_TRUE(known);
  return parse_recipe(
      "objective = { name = \"bowls\" }\nalgorithm = { name = \"celgc\", eta = 0.1, gamma = inf, interval = 1 }\nclients = "
      "{ "
      "count = 1 }\nschedule = { rounds = 5 }\nrun = { smoothness_every = 1, smoothness_share = 1e6 }\n",
      "bowls.toml", sets);
}

// The lines of a run's pairs, without what the clock says.
std::vector<json> pairs_of(const std::string& folder) {
  std::vector<json> found;
  for (json line : test::lines_of(folder, "smoothness")) {
    EXPECT_GE(line["probe_seconds"].get<double>(), 0);
    for (const char* clock : {"probe_seconds", "seconds", "bytes_sent"}) line.erase(clock);
    found.push_back(std::move(line));
  }
  return found;
}

json summary_of(const std::string& folder) {
  std::ifstream in(folder + "/summary.json");
  return json::parse(in);
}

// Each round multiplies x by 0.9, from ‖x‖ = 5 on. Over all three units f is 3/2 ‖x‖², so L̂ is 3 and ‖∇f‖ is 3 ‖x‖.
TEST(RoundSmoothness, HasTheCurvatureThatIsKnown) {
  const test::TempFolder f;
  Bowls objective;
  Observer quiet;
  train(bowls_recipe({"run.smoothness_units=3"}), objective, *single_group(), {.out = f / "run"}, quiet);
  const auto pairs = pairs_of(f / "run");
  ASSERT_EQ(pairs.size(), 5u);
  for (size_t t = 0; t < pairs.size(); ++t) {
    const double length = 5 * std::pow(0.9, t);
    EXPECT_EQ(pairs[t]["round"], t + 1) << "the line stands with the round that closed the pair";
    EXPECT_NEAR(pairs[t]["smoothness"].get<double>(), 3, 1e-4);
    EXPECT_NEAR(pairs[t]["pair_gradient_norm"].get<double>(), 3 * length, 1e-4);
    EXPECT_NEAR(pairs[t]["pair_loss"].get<double>(), 1.5 * length * length, 1e-3);
    EXPECT_NEAR(pairs[t]["step_norm"].get<double>(), 0.1 * length, 1e-5);
    EXPECT_EQ(pairs[t]["counts"], 1);
  }
  EXPECT_EQ(summary_of(f / "run")["smoothness"]["pairs"], 5);
}

// One unit, the same in every pair, has one of the three curvatures.
TEST(RoundSmoothness, MeasuresSomeRoundsOnSomeUnits) {
  const test::TempFolder f;
  Bowls objective;
  Observer quiet;
  train(bowls_recipe({"run.smoothness_every=2", "run.log_every=3"}), objective, *single_group(), {.out = f / "run"}, quiet);
  const auto pairs = pairs_of(f / "run");
  ASSERT_EQ(pairs.size(), 3u);
  for (size_t k = 0; k < pairs.size(); ++k) {
    EXPECT_EQ(pairs[k]["round"], 2 * k + 1);
    EXPECT_NEAR(pairs[k]["smoothness"].get<double>(), pairs[0]["smoothness"].get<double>(), 1e-4);
  }
  const double a = pairs[0]["smoothness"].get<double>();
  EXPECT_TRUE(std::abs(a - 1) < 1e-4 || std::abs(a - 2) < 1e-4 || std::abs(a - 6) < 1e-3) << a;
}

// A step of no length has no smoothness, and says that it does not count.
TEST(RoundSmoothness, AStepThatRoundingSwallowsDoesNotCount) {
  const test::TempFolder f;
  Bowls objective;
  Observer quiet;
  train(bowls_recipe({"algorithm.eta=1e-12"}), objective, *single_group(), {.out = f / "run"}, quiet);
  for (const json& pair : pairs_of(f / "run")) EXPECT_EQ(pair["counts"], 0);
}

TEST(RoundSmoothness, ChangesNoBitAndDependsOnNoPlacement) {
  const test::TempFolder f;
  Observer quiet;
  for (const std::string extra : {"clients.participating=5", "algorithm.name=episode", "algorithm.name=scaffold"}) {
    std::vector<std::string> sets = {extra};
    const Result plain = train(test::noisy_exponential(sets), *single_group(), {}, quiet);
    sets.insert(sets.end(), {"run.smoothness_every=1", "run.smoothness_share=1e6"});
    std::vector<json> first;
    for (const int ranks : {1, 2, 3}) {
      const std::string out = f / (extra + "-" + std::to_string(ranks));
      const auto x = test::on_ranks<Vec>(ranks, [&](Group& group) {
        Observer none;
        return train(test::noisy_exponential(sets), group, {.out = out}, none).x;
      });
      for (const Vec& each : x) EXPECT_TRUE(at::equal(each, plain.x)) << extra << " on " << ranks;
      const auto pairs = pairs_of(out);
      ASSERT_EQ(pairs.size(), 6u);
      if (ranks == 1) first = pairs;
      EXPECT_EQ(pairs, first) << extra << " on " << ranks;
      const json last = test::lines_of(out, "round").back();
      EXPECT_EQ(last["communications"].get<int64_t>(), plain.communications);
    }
  }
}

TEST(RoundSmoothness, GoesOnAfterAStop) {
  const test::TempFolder f;
  const Recipe recipe = test::noisy_exponential({"run.smoothness_every=1", "run.smoothness_share=1e6"});
  Observer quiet;
  train(recipe, *single_group(), {.out = f / "whole"}, quiet);
  test::train_and_stop(recipe, f / "stopped", 3);
  EXPECT_LT(pairs_of(f / "stopped").size(), 6u);
  train(recipe, *single_group(), {.out = f / "stopped", .resume = true}, quiet);
  EXPECT_EQ(pairs_of(f / "stopped"), pairs_of(f / "whole"));
  EXPECT_EQ(summary_of(f / "stopped")["smoothness"]["pairs"], 6);
}

// The first pair is measured. A share of next to nothing then leaves out all others, and counts them.
TEST(RoundSmoothness, KeepsToItsShareOfTheTime) {
  const test::TempFolder f;
  Bowls objective;
  Observer quiet;
  train(bowls_recipe({"run.smoothness_share=1e-9"}), objective, *single_group(), {.out = f / "run"}, quiet);
  EXPECT_EQ(pairs_of(f / "run").size(), 1u);
  const json smoothness = summary_of(f / "run")["smoothness"];
  EXPECT_EQ(smoothness["pairs"], 1);
  EXPECT_EQ(smoothness["left_out"], 4);
}

TEST(RoundSmoothness, NamesAnObjectiveWithoutAGradient) {
  struct Blind : Bowls {
    int gradient_units() const override { return 0; }
  } objective;
  Observer quiet;
  EXPECT_EQ(test::error_of([&] { train(bowls_recipe(), objective, *single_group(), {}, quiet); }),
            "run.smoothness_every must be 0 for this objective, which has no gradient over its training set "
            "(Objective::gradient_units is 0), got 1");
}

}  // namespace
}  // namespace tacet
