// Tests of a run's words on its privacy, of the settings that it refuses, and of rounds whose number of clients varies.
#include "train/run_privacy.h"

#include <cmath>
#include <cstring>
#include <fstream>

#include <gtest/gtest.h>

#include "analysis/privacy.h"
#include "support/error_of.h"
#include "support/placements.h"
#include "support/quadratic.h"
#include "support/temp_folder.h"
#include "tacet/train.h"

namespace tacet::run_privacy_test {
namespace {

using nlohmann::json;

struct Heard : Observer {
  std::vector<std::string> warnings, messages;
  void warning(const std::string& line) override { warnings.push_back(line); }
  void message(const std::string& line) override { messages.push_back(line); }
};

// Sixteen clients on a parabola, without buffers.
Recipe recipe(const std::string& algorithm, const std::string& clients) {
  return parse_recipe(
      "[data]\nname = \"noise\"\n[model]\nname = \"quadratic\"\n[algorithm]\nname = \"dp-fedavg\"\neta = 0.1\ninterval = 2\n"
      "noise_multiplier = 0.8\n" +
          algorithm + "[clients]\ncount = 16\n" + clients + "[schedule]\nrounds = 40\n",
      "test.toml");
}

const std::string system_noise = "noise_source = \"system\"\n";

json summary(const std::string& folder) {
  std::ifstream in(folder + "/summary.json");
  return json::parse(in);
}

std::vector<json> rounds(const std::string& folder) {
  std::ifstream in(folder + "/metrics.jsonl");
  std::vector<json> found;
  for (std::string line; std::getline(in, line);)
    if (const json j = json::parse(line); j["event"] == "round") found.push_back(j);
  return found;
}

bool same_bits(const Vec& a, const Vec& b) { return std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0; }

TEST(RunPrivacy, OfKeyedNoiseIsASimulationThatCanBeRepeated) {
  const test::TempFolder f;
  const Recipe r = recipe("", "participating = 4\n");
  Heard heard;
  const Result first = train(r, *single_group(), {.out = f / "run"}, heard);
  ASSERT_EQ(heard.warnings.size(), 1u);
  test::expect_mentions(heard.warnings[0], {"simulation: no privacy", "run.seed"});
  const json said = summary(f / "run")["privacy"];
  EXPECT_EQ(said["claim"], "simulation: no privacy");
  EXPECT_FALSE(said.contains("epsilon"));
  EXPECT_TRUE(same_bits(first.x, train(r, *single_group(), {}, heard).x));
  EXPECT_EQ(rounds(f / "run").front()["clip_norm"], 0.1);
}

TEST(RunPrivacy, OfTheSystemsNoiseHasTheAccountantsEpsilon) {
  struct Case {
    const char *clients, *algorithm;
    NoisyRound round;
    double delta;
  };
  const Case cases[] = {{"participating = 4\nsampling = \"poisson\"\n",
                         "privacy_delta = 1e-5\n",
                         {0.8, 0.25, ClientDraw::by_themselves},
                         1e-5},
                        {"participating = 4\n", "", {0.8, 0.25, ClientDraw::fixed_number}, std::pow(16, -1.1)},
                        {"", "", {0.8, 1, ClientDraw::fixed_number}, std::pow(16, -1.1)}};
  for (const auto& [clients, algorithm, round, delta] : cases) {
    SCOPED_TRACE(clients);
    const test::TempFolder f;
    const Recipe r = recipe(system_noise + algorithm, clients);
    Heard heard;
    const Result first = train(r, *single_group(), {.out = f / "run"}, heard);
    EXPECT_TRUE(heard.warnings.empty());
    ASSERT_FALSE(heard.messages.empty());
    test::expect_mentions(heard.messages.back(), {"privacy: ε = ", "after 40 rounds", "can't be repeated"});
    const json said = summary(f / "run")["privacy"];
    const PrivacyLoss loss = privacy_loss(round, 40, delta);
    EXPECT_EQ(said["epsilon"], loss.epsilon);
    EXPECT_EQ(said["order"], loss.order);
    EXPECT_EQ(said["delta"], delta);
    EXPECT_EQ(said["rounds"], 40);
    EXPECT_EQ(said["repeatable"], false);
    EXPECT_FALSE(same_bits(first.x, train(r, *single_group(), {}, heard).x));
  }
}

// Whatever ends a run without a word leaves the summary of its start beside checkpoints of many rounds.
TEST(RunPrivacy, OfARunThatGoesOnHasNoEpsilonYet) {
  const test::TempFolder f;
  struct Watching : Heard {
    std::string folder;
    json said;
    void progress(const Progress& p) override {
      if (p.round == 20) said = summary(folder)["privacy"];
    }
  } watching;
  watching.folder = f / "run";
  train(recipe(system_noise, "participating = 4\n"), *single_group(), {.out = f / "run"}, watching);
  EXPECT_EQ(watching.said["claim"], "differential privacy of clients");
  for (const char* so_far : {"rounds", "epsilon", "order"}) EXPECT_TRUE(watching.said[so_far].is_null()) << so_far;
}

TEST(RunPrivacy, TheSystemsNoiseIsEqualOnAllWorkers) {
  const Recipe r = recipe(system_noise, "participating = 4\nsampling = \"poisson\"\n");
  const auto all = test::on_ranks<Vec>(3, [&](Group& g) {
    Heard heard;
    return train(r, g, {}, heard).x;
  });
  for (const Vec& x : all) EXPECT_TRUE(same_bits(x, all.front()));
}

// Clients are drawn by the system as well: two runs don't have the same ones in 40 rounds.
TEST(RunPrivacy, TheSystemDrawsTheClientsToo) {
  const auto came = [](const std::string& algorithm) {
    const test::TempFolder f;
    Heard heard;
    train(recipe(algorithm, "participating = 4\nsampling = \"poisson\"\n"), *single_group(), {.out = f / "run"}, heard);
    std::vector<double> numbers;
    for (const json& line : rounds(f / "run")) numbers.push_back(line["came"]);
    return numbers;
  };
  EXPECT_EQ(came(""), came(""));
  EXPECT_NE(came(system_noise), came(system_noise));
}

TEST(RunPrivacy, OfAModelWithBuffersIsRefused) {
  test::Quadratic objective{4, {1, 2}, {1, 3}};
  const Recipe r =
      parse_recipe("[objective]\nname = \"given\"\n[algorithm]\nname = \"dp-fedavg\"\neta = 0.1\nnoise_multiplier = 1.0\n" +
                       system_noise + "[clients]\ncount = 2\n[schedule]\nrounds = 2\n",
                   "test.toml");
  Heard heard;
  test::expect_mentions(test::error_of([&] { train(r, objective, *single_group(), {}, heard); }),
                        {"algorithm.noise_source must be \"keyed\" for a model with buffers", "got \"system\" with 1"});
}

TEST(RunPrivacy, OfOneClientNeedsItsDelta) {
  const std::string recipe =
      "[data]\nname = \"noise\"\n[model]\nname = \"quadratic\"\n[algorithm]\nname = \"dp-fedavg\"\neta = 0.1\n"
      "noise_multiplier = 1.0\n" +
      system_noise + "[clients]\ncount = 1\n[schedule]\nrounds = 2\n";
  test::expect_mentions(test::error_of([&] { parse_recipe(recipe, "test.toml"); }),
                        {"test.toml", "algorithm.privacy_delta must be given where there is one client, got nothing"});
}

// ---- clients that are drawn by themselves ----

// With one client of 16 on average, e⁻¹ of the rounds have nobody. They change nothing and count; on 3 workers the bits are
// the same, and after a stop.
TEST(VaryingNumber, RoundsOfNobodyChangeNothing) {
  const Recipe r = parse_recipe(
      "[data]\nname = \"noise\"\n[model]\nname = \"quadratic\"\n[algorithm]\nname = \"fedavg\"\neta = 0.1\ninterval = 2\n"
      "[clients]\ncount = 16\nparticipating = 1\nsampling = \"poisson\"\n[schedule]\nrounds = 60\n",
      "test.toml");
  const test::TempFolder f;
  Heard heard;
  const Result alone = train(r, *single_group(), {.out = f / "run"}, heard);
  EXPECT_EQ(alone.rounds, 60);
  EXPECT_TRUE(heard.warnings.empty());
  int nobody = 0;
  double before = 0, more = 0;
  for (const json& line : rounds(f / "run")) {
    const double sent = line["communications"];
    if (line["came"] == 0) {
      ++nobody;
      EXPECT_EQ(sent, before);
      EXPECT_TRUE(line["train_loss"].is_null());
    }
    more = std::max(more, line["came"].get<double>());
    before = sent;
  }
  EXPECT_NEAR(nobody, 60 * std::exp(-1), 5 * std::sqrt(60 * 0.368 * 0.632));
  EXPECT_GT(more, 1);
  EXPECT_EQ(alone.communications, 60 - nobody);
  for (const Vec& x : test::on_ranks<Vec>(3, [&](Group& g) {
         Heard quiet;
         return train(r, g, {}, quiet).x;
       }))
    EXPECT_TRUE(same_bits(x, alone.x));
}

}  // namespace
}  // namespace tacet::run_privacy_test
