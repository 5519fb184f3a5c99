// Measurements that a run makes of itself: the gradient over the training set, updates, and checks that stop it. Nothing of
// that may change a bit of the run.
#include "train/measurements.h"

#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_of.h"
#include "support/flat_objective.h"
#include "support/placements.h"
#include "support/quadratic.h"
#include "support/temp_folder.h"
#include "tacet/algorithm.h"
#include "tacet/registry.h"
#include "train/noisy_exponential.h"

namespace tacet {
namespace {

using nlohmann::json;
using test::lines_of;
using test::noisy_exponential;

Result run_once(const Recipe& recipe, const std::string& out) {
  Observer quiet;
  return train(recipe, *single_group(), {.out = out}, quiet);
}

TEST(Measurements, ChangeNoBitOfTheRun) {
  const test::TempFolder f;
  const Result plain = run_once(noisy_exponential({}), f / "plain");
  for (const std::string set : {"run.gradient_every=1", "run.update_size=true", "run.check=true", "run.eval_rounds=2"}) {
    const Result other = run_once(noisy_exponential({set}), f / set);
    EXPECT_EQ(other.model_sha256, plain.model_sha256) << set;
    EXPECT_EQ(other.bytes_sent, plain.bytes_sent) << set;
  }
}

// ‖∇f‖ of a function is known: what is measured is what the evaluation says.
TEST(Measurements, TheGradientOfAFunctionIsTheExactOne) {
  const test::TempFolder f;
  run_once(noisy_exponential({"run.gradient_every=2"}), f / "run");
  const auto gradients = lines_of(f / "run", "gradient"), evals = lines_of(f / "run", "eval");
  ASSERT_EQ(gradients.size(), 4u);  // at epochs 0, 2, 4, 6
  for (const json& g : gradients)
    for (const json& e : evals)
      if (e["round"] == g["round"]) {
        EXPECT_NEAR(g["full_gradient_norm"].get<double>(), e["eval_gradient_norm"].get<double>(), 1e-5) << g.dump();
        EXPECT_DOUBLE_EQ(g["full_loss"].get<double>(), e["eval_loss"].get<double>());
      }
}

// One number a coordinate is known where a round is one unclipped step of η g: the update's size is that of x.
TEST(Measurements, TheSizeOfAnUpdateIsThatOfTheStep) {
  const test::TempFolder f;
  const auto recipe = [](const std::string& rounds) {
    return noisy_exponential(
        {"algorithm.gamma=inf", "algorithm.interval=1", "run.update_size=true", "schedule.rounds=" + rounds});
  };
  const Vec one = run_once(recipe("1"), f / "one").x, two = run_once(recipe("2"), f / "two").x;
  const json line = lines_of(f / "two", "round").at(1);
  const Vec step = two - one;
  EXPECT_FLOAT_EQ(line["update_max"].get<float>(), step.abs().max().item<float>());
  EXPECT_NEAR(line["update_rms"].get<double>(), l2_norm(step) / std::sqrt(6.0), 1e-7);
}

TEST(Measurements, ARunThatIsCheckedTellsItsDriftAndItsBound) {
  const test::TempFolder f;
  run_once(noisy_exponential({"run.check=true"}), f / "run");
  for (const json& line : lines_of(f / "run", "round")) {
    EXPECT_DOUBLE_EQ(line["drift_bound"].get<double>(), 2 * 0.2 * 4);
    EXPECT_GT(line["drift"].get<double>(), 0);
    EXPECT_LE(line["drift"].get<double>(), 1.6);
  }
  run_once(noisy_exponential({"run.check=true", "algorithm.momentum=0.5"}), f / "momentum");
  for (const json& line : lines_of(f / "momentum", "round")) EXPECT_FALSE(line.contains("drift_bound")) << "no such bound";
}

// A method whose row promises short steps and which takes long ones.
struct TooFar : Algorithm {
  void round(Round& r, Vec& x) override {
    x = r.mean(x, [&](Client& i) {
      Vec y = i.start(x);
      for (int t = 0; t < r.I; ++t) {
        const auto [g, norm] = i.gradient(y);
        descend(y, g, (1 + i.id()) * i.plain(r.rates(t), norm), {}, nullptr);
      }
      return y;
    });
  }
};

TEST(Measurements, AViolatedBoundStopsTheRunWithRoundAndNumbers) {
  add_algorithm({.name = "too-far",
                 .paper = "a test",
                 .summary = "Breaks its promise.",
                 .use = "Never.",
                 .create = [] { return std::make_unique<TooFar>(); },
                 .clips = Clips::always,
                 .short_steps = true});
  const test::TempFolder f;
  std::string said;
  try {
    run_once(noisy_exponential({"algorithm.name=too-far", "algorithm.eta=0.05", "algorithm.gamma=0.001", "run.check=true"}),
             f / "run");
  } catch (const UserError& error) {
    ADD_FAILURE() << "no mistake of the user's: " << error.what();
  } catch (const std::exception& error) {
    said = error.what();
  }
  EXPECT_NE(said.find("run.check: round 1: client "), std::string::npos) << said;
  EXPECT_NE(said.find("must be within 2γI = 0.008"), std::string::npos) << said;
  std::ifstream in(f / "run/summary.json");
  const json summary = json::parse(in);
  EXPECT_EQ(summary["status"], "failed");
}

// The sum over units has the same bits on any number of workers.
TEST(Measurements, TheGradientHasTheSameBitsOnAnyNumberOfWorkers) {
  struct Pieces : test::FlatObjective {
    Pieces() : FlatObjective(3) {}
    int gradient_units() const override { return 11; }
    Score unit_gradient(int unit, const Vec&) override {
      g_.fill_(0.1f * static_cast<float>(1 + unit * unit));
      return {0.3 * unit, 1, 2};
    }
  };
  std::vector<int64_t> units = {0, 1, 2, 3, 5, 6, 7, 8, 10};
  const auto on = [&](int ranks) {
    return test::on_ranks<double>(ranks, [&](Group& g) {
      Pieces objective;
      return measured_gradient(objective, g, units, at::zeros({3})).norm;
    });
  };
  const double alone = on(1)[0];
  EXPECT_NEAR(alone, std::sqrt(3.0) * 0.1 * (9 + 0 + 1 + 4 + 9 + 25 + 36 + 49 + 64 + 100) / 18, 1e-5);
  for (int ranks : {2, 3, 5})
    for (const double norm : on(ranks)) EXPECT_EQ(norm, alone) << ranks;
}

TEST(Measurements, AreRefusedWhereTheTaskHasNone) {
  test::Quadratic own(4, {1, 1}, {1, 3});  // the registered name is that of train_test.cc
  const Recipe given = parse_recipe(
      "objective = { name = \"given\" }\nalgorithm = { name = \"celgc\", eta = 0.1, gamma = 0.05 }\n"
      "clients = { count = 2 }\nschedule = { rounds = 1 }\nrun = { gradient_every = 0.5 }",
      "r.toml");
  Observer quiet;
  EXPECT_NE(test::error_of([&] { train(given, own, *single_group(), {}, quiet); })
                .find("run.gradient_every must be 0 for this objective, which has no gradient over its training set "
                      "(Objective::gradient_units is 0), got 0.5"),
            std::string::npos);
  const auto said = [](const std::vector<std::string>& sets) {
    return test::error_of([&] { run_once(noisy_exponential(sets), ""); });
  };
  EXPECT_NE(said({"run.eval_train=true"}).find("run.eval_train must be false"), std::string::npos);
  EXPECT_NE(said({"run.gradient_part=0.5"}).find("run.gradient_part: is used with run.gradient_every only"),
            std::string::npos);
  EXPECT_NE(said({"run.gradient_every=1", "run.gradient_part=0"}).find("run.gradient_part: must be > 0 and <= 1"),
            std::string::npos);
  EXPECT_NE(said({"run.eval_rounds=2", "run.eval_every=2"}).find("run.eval_every: is not used with run.eval_rounds"),
            std::string::npos);
}

}  // namespace
}  // namespace tacet
