// The gradient noise scale along a run: closed forms, sums whose bits no placement changes, and runs that don't notice it.
#include "train/round_noise.h"

#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/tree_sum.h"
#include "support/error_of.h"
#include "support/flat_objective.h"
#include "support/placements.h"
#include "support/temp_folder.h"
#include "tacet/registry.h"
#include "train/noisy_exponential.h"

namespace tacet {
namespace {

using nlohmann::json;

// Client i's gradient is the i-th vector everywhere, from so many samples.
struct SlopesOfClients : test::FlatObjective {
  SlopesOfClients(std::vector<std::vector<float>> all, int64_t batch)
      : FlatObjective(2), slopes(std::move(all)), samples(batch) {}
  std::vector<std::vector<float>> slopes;
  int64_t samples;
  BatchLoss gradient(const BatchKey& draw, const Vec&) override {
    g_.copy_(at::tensor(slopes[static_cast<size_t>(draw.client)]));
    return {1, samples};
  }
};

Recipe slopes_recipe(int clients, const std::vector<std::string>& sets = {}) {
  static const bool known = (add_objective({.name = "slopes"}), true);
  EXPECT_TRUE(known);
  return parse_recipe(
      "objective = { name = \"slopes\" }\nalgorithm = { name = \"celgc\", eta = 0.1, gamma = 0.5, interval = 3 }\nclients = "
      "{ count = " +
          std::to_string(clients) + " }\nschedule = { rounds = 4 }\nrun = { noise_scale = true }\n",
      "slopes.toml", sets);
}

std::vector<json> noise_lines(const std::string& folder) {
  std::vector<json> found;
  for (const json& line : test::lines_of(folder, "round"))
    found.push_back({line["noise_clients"], line.value("noise_gradient_square", json()), line.value("noise_trace", json())});
  return found;
}

json noise_in_summary(const std::string& folder) {
  std::ifstream in(folder + "/summary.json");
  return json::parse(in)["noise_scale"];
}

// Squares of (3, 0), (1, 2) and (2, 1) are 9, 5 and 5, on average 19/3, and their mean (2, 1) has 5. With b = 2 and B = 6,
// |G|² = (6·5 − 2·19/3)/4 = 13/3 and S = (19/3 − 5)/(1/2 − 1/6) = 4.
TEST(RoundNoise, HasTheEstimatesOfClientsThatAreKnown) {
  const test::TempFolder f;
  SlopesOfClients objective({{3, 0}, {1, 2}, {2, 1}}, 2);
  Observer quiet;
  train(slopes_recipe(3), objective, *single_group(), {.out = f / "run"}, quiet);
  const auto lines = noise_lines(f / "run");
  ASSERT_EQ(lines.size(), 4u);
  for (const json& line : lines) {
    EXPECT_EQ(line[0], 3);
    EXPECT_NEAR(line[1].get<double>(), 13 / 3.0, 1e-5);
    EXPECT_NEAR(line[2].get<double>(), 4, 1e-5);
  }
  const json scale = noise_in_summary(f / "run");
  EXPECT_NEAR(scale["batch"].get<double>(), 12 / 13.0, 1e-5);
  EXPECT_NEAR(scale["gradient_square"].get<double>(), 13 / 3.0, 1e-5);
  EXPECT_NEAR(scale["noise_trace"].get<double>(), 4, 1e-5);
  EXPECT_EQ(scale["rounds"], 4);
  EXPECT_EQ(scale["left_out"], 0);
  EXPECT_FALSE(scale.contains("missing"));
}

// Clients 0 … 3 have the slopes 1, 2, 3, 6, two of them in a round. |G|² and S are averaged apart, and not their ratios.
TEST(RoundNoise, AveragesBothPartsOverTheRounds) {
  const test::TempFolder f;
  SlopesOfClients objective({{1, 0}, {2, 0}, {3, 0}, {6, 0}}, 1);
  Observer quiet;
  train(slopes_recipe(4, {"clients.participating=2", "schedule.rounds=12", "run.log_every=1"}), objective, *single_group(),
        {.out = f / "run"}, quiet);
  double square = 0, trace = 0, ratios = 0;
  const auto lines = noise_lines(f / "run");
  ASSERT_EQ(lines.size(), 12u);
  for (const json& line : lines) {
    square += line[1].get<double>() / 12, trace += line[2].get<double>() / 12;
    ratios += line[2].get<double>() / line[1].get<double>() / 12;
  }
  const json scale = noise_in_summary(f / "run");
  EXPECT_NEAR(scale["gradient_square"].get<double>(), square, 1e-9);
  EXPECT_NEAR(scale["noise_trace"].get<double>(), trace, 1e-9);
  EXPECT_NEAR(scale["batch"].get<double>(), trace / square, 1e-9);
  EXPECT_GT(std::abs(ratios - trace / square), 1e-3) << "the two ways differ here";
}

TEST(RoundNoise, SaysWhyThereIsNoScale) {
  const test::TempFolder f;
  Observer quiet;
  SlopesOfClients opposite({{1, 0}, {-1, 0}}, 1);
  train(slopes_recipe(2), opposite, *single_group(), {.out = f / "lost"}, quiet);
  json scale = noise_in_summary(f / "lost");
  EXPECT_TRUE(scale["batch"].is_null());
  EXPECT_NEAR(scale["gradient_square"].get<double>(), -1, 1e-6);  // (2·0 − 1·1)/1
  EXPECT_EQ(scale["missing"], "the gradient is lost in the noise: the mean of |G|² over the rounds must be above 0, got -1");
  SlopesOfClients alone({{1, 0}}, 1);
  train(slopes_recipe(1), alone, *single_group(), {.out = f / "alone"}, quiet);
  scale = noise_in_summary(f / "alone");
  EXPECT_TRUE(scale["batch"].is_null() && scale["gradient_square"].is_null());
  EXPECT_EQ(scale["missing"], "a noise scale needs at least 2 clients in a round, got 1");
  EXPECT_EQ(scale["left_out"], 4);
}

TEST(RoundNoise, NamesMethodsWhoseClientsHaveModelsOfTheirOwn) {
  const test::TempFolder f;
  SlopesOfClients objective({{1, 0}, {2, 0}}, 1);
  test::expect_mentions(test::error_of([&] { slopes_recipe(2, {"algorithm.name=celgc-partial"}); }),
                        {"run.noise_scale must be false for celgc-partial, whose clients keep models of their own, so that "
                         "their gradients are not at one model, got true"});
  struct Warned : Observer {
    std::vector<std::string> lines;
    void warning(const std::string& line) override { lines.push_back(line); }
  } observer;
  train(slopes_recipe(2, {"algorithm.name=celgc-overlap"}), objective, *single_group(), {.out = f / "own"}, observer);
  const auto lines = noise_lines(f / "own");
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0][0], 2) << "all begin at the run's first model";
  for (size_t k = 1; k < lines.size(); ++k) EXPECT_EQ(lines[k], json({0, nullptr, nullptr}));
  const json scale = noise_in_summary(f / "own");
  EXPECT_EQ(scale["rounds"], 1);
  EXPECT_EQ(scale["left_out"], 3);
  ASSERT_EQ(observer.lines.size(), 1u);
  EXPECT_EQ(observer.lines[0],
            "run.noise_scale: round 2 has no estimate, as fewer than two clients of celgc-overlap began it with a gradient "
            "at its model; summary.json counts such rounds");
}

// Model and lines have the same bits on any number of workers, and the model is that of a run that is not looked at.
TEST(RoundNoise, ChangesNoBitAndDependsOnNoPlacement) {
  const test::TempFolder f;
  Observer quiet;
  for (const std::string extra : {"clients.participating=8", "clients.participating=5", "algorithm.name=episode",
                                  "algorithm.name=naive-clip", "algorithm.name=scaffold"}) {
    std::vector<std::string> sets = {extra};
    const Vec plain = train(test::noisy_exponential(sets), *single_group(), {}, quiet).x;
    sets.push_back("run.noise_scale=true");
    std::vector<json> first;
    for (const int ranks : {1, 2, 3}) {
      const std::string out = f / (extra + "-" + std::to_string(ranks));
      const auto x = test::on_ranks<Vec>(ranks, [&](Group& group) {
        Observer none;
        return train(test::noisy_exponential(sets), group, {.out = out}, none).x;
      });
      for (const Vec& each : x) EXPECT_TRUE(at::equal(each, plain)) << extra << " on " << ranks;
      const auto lines = noise_lines(out);
      ASSERT_EQ(lines.size(), 6u);
      EXPECT_GE(lines[0][0], 5);
      if (ranks == 1) first = lines;
      EXPECT_EQ(lines, first) << extra << " on " << ranks;
    }
  }
}

TEST(RoundNoise, GoesOnAfterAStop) {
  const test::TempFolder f;
  const Recipe recipe = test::noisy_exponential({"run.noise_scale=true"});
  Observer quiet;
  train(recipe, *single_group(), {.out = f / "whole"}, quiet);
  test::train_and_stop(recipe, f / "stopped", 3);
  EXPECT_LT(noise_lines(f / "stopped").size(), 6u);
  train(recipe, *single_group(), {.out = f / "stopped", .resume = true}, quiet);
  EXPECT_EQ(noise_lines(f / "stopped"), noise_lines(f / "whole"));
  EXPECT_EQ(noise_in_summary(f / "stopped"), noise_in_summary(f / "whole"));
  EXPECT_EQ(noise_in_summary(f / "whole")["rounds"], 6);
}

// Leaves that come one by one are added in the tree's order, wherever the workers' bounds are. One leaf never comes.
TEST(ArrivingSum, HasTheBitsOfTheTree) {
  constexpr int64_t d = 5;
  for (int64_t leaves = 1; leaves <= 17; ++leaves)
    for (const int ranks : {1, 2, 3}) {
      std::vector<at::Tensor> all;
      for (int64_t p = 0; p < leaves; ++p) all.push_back(p == 6 ? at::zeros({d}) : at::randn({d}).mul_(1 + 1000 * (p % 3)));
      std::vector<int64_t> bounds = block_bounds(leaves, ranks);
      if (ranks == 3) bounds[1] = leaves / 4;
      SumBuffers memory;
      const auto leaf = [&](int64_t p) { return std::vector<const float*>{all[static_cast<size_t>(p)].data_ptr<float>()}; };
      const auto alone = single_group();
      const at::Tensor wanted = tree_sum(*alone, {0, leaves}, {.parts = {d}}, leaf, memory);
      const auto found = test::on_ranks<Vec>(ranks, [&](Group& group) {
        ArrivingSum sum;
        sum.begin(bounds, group.rank());
        for (int64_t p = bounds[static_cast<size_t>(group.rank())]; p < bounds[static_cast<size_t>(group.rank()) + 1]; ++p)
          if (p != 6) sum.add(p, all[static_cast<size_t>(p)]);
        return sum.total(group, d);
      });
      for (const Vec& each : found) EXPECT_TRUE(at::equal(each, wanted)) << leaves << " leaves on " << ranks;
    }
}

}  // namespace
}  // namespace tacet
