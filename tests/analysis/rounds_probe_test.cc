// Clients along runs of methods whose drift, corrections and noise are known, and runs that must not notice the probe.
#include "analysis/rounds_probe.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/probed_objective.h"
#include "analysis/smoothness.h"
#include "data/image_fixtures.h"
#include "problems/function_objective.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_folder.h"
#include "tacet/group.h"
#include "tacet/registry.h"
#include "tacet/task.h"
#include "tacet/train.h"

namespace tacet {
namespace {

// Returns Σ_j (½ a x_j² + t_i x_j), for each client its own tilt t_i.
Problem tilted(int64_t d, double a, const std::vector<double>& tilts) {
  Problem p{.dimension = d, .start = std::vector<double>(static_cast<size_t>(d), 1.0)};
  for (const double t : tilts)
    p.f.push_back({[=](std::span<const double> x) {
                     double sum = 0;
                     for (const double v : x) sum += 0.5 * a * v * v + t * v;
                     return sum;
                   },
                   [=](std::span<const double> x, std::span<double> g) {
                     for (size_t j = 0; j < x.size(); ++j) g[j] = a * x[j] + t;
                   },
                   {}});
  return p;
}

struct Followed {
  Vec x;
  std::vector<FollowedRound> rounds;
};

struct TellDrift : Observer {
  explicit TellDrift(RoundsProbe& to) : probe(to) {}
  void progress(const Progress& p) override { probe.drifted(p.round - 1, p.drift, p.drift_bound); }
  RoundsProbe& probe;
};

// Trains the recipe on the objective and looks at its clients in every round that can be, beside a probe of smoothness.
Followed follow(const Recipe& recipe, Objective& objective, int64_t corrections_at = 0) {
  SmoothnessProbe smoothness(objective, {0}, 1);
  RoundsOptions o;
  o.clients = recipe.clients.integer("count");
  o.seed = static_cast<uint64_t>(recipe.run.integer("seed"));
  o.corrections_at = corrections_at;
  o.has_corrections = true;
  o.batches_now = [](double) { return int64_t{1}; };
  o.make_room = [&] { smoothness.release(); };
  o.go_on = [&](int64_t round, const Vec& x) { smoothness.begin(round, x); };
  RoundsProbe rounds(objective, o);
  ProbedObjective probed(objective, {}, [&](int64_t round, const Vec& x) {
    rounds.begin(round);
    smoothness.visit(round, x);
  });
  probed.watch([&](const BatchKey& draw, const Vec& y) { rounds.before(draw, y); },
               [&](const BatchKey& draw, const Vec& y, const BatchLoss& loss) { rounds.after(draw, y, loss); });
  TellDrift observer(rounds);
  TrainOptions how;
  how.before_round = [&](Algorithm& method) { rounds.take(method); };
  how.drift_models = 1;
  Followed found;
  found.x = train(recipe, probed, *single_group(), how, observer).x;
  rounds.end();
  found.rounds = rounds.rounds();
  EXPECT_EQ(smoothness.points().size() + 1, found.rounds.size()) << "a look costs no pair";
  return found;
}

Recipe recipe_with(const std::string& algorithm, int clients, int rounds) {
  static const bool known = (add_objective({.name = "followed"}), true);
  EXPECT_TRUE(known);
  return parse_recipe("objective = { name = \"followed\" }\nalgorithm = { " + algorithm + " }\nclients = { count = " +
                          std::to_string(clients) + " }\nschedule = { rounds = " + std::to_string(rounds) + " }\n",
                      "followed.toml");
}

// EPISODE's corrections are the clients' gradients at the common model, and without noise the true ones.
TEST(RoundsProbe, FindsEpisodesCorrectionsExactWithoutNoise) {
  const auto objective = make_function_objective(tilted(16, 2, {-3, -1, 4}), {}, 1);
  const Followed run = follow(
      recipe_with("name = \"episode\", eta = 0.05, gamma = 100.0, interval = 3, resampling = 2", 3, 6), *objective, 2);
  ASSERT_EQ(run.rounds.size(), 6u);
  for (const FollowedRound& r : run.rounds) {
    ASSERT_TRUE(r.heterogeneity && r.heterogeneity->corrections) << r.round;
    EXPECT_NEAR(r.heterogeneity->kappa, std::sqrt(16 * 26 / 3.0), 1e-4);
    const CorrectionQuality& q = *r.heterogeneity->corrections;
    EXPECT_EQ(q.clients, 3);
    EXPECT_NEAR(q.mean_cosine, 1, 1e-5) << r.round;
    EXPECT_NEAR(q.mean_ratio, 1, 1e-5) << r.round;
    EXPECT_NEAR(q.cosine, 1, 1e-5) << r.round;
    EXPECT_NEAR(q.ratio, 1, 1e-5) << r.round;
  }
}

// SCAFFOLD's are means along the last round's steps. On ½·2x² + t x with z = 1 − 2η these had slopes 2x·z^t, t < I, and now
// it is 2x·z^I. What is not corrected of a tilt, a share 1 − ρ, is answered by the steps but for the share
// m = (1 + z + … + z^{I−1})/I of it: 1 − ρ falls as (1 − m)^k with the rounds.
TEST(RoundsProbe, FindsHowFarScaffoldsCorrectionsAreBehind) {
  constexpr double z = 0.8, m = (1 + z + z * z + z * z * z) / 4;
  const auto objective = make_function_objective(tilted(16, 2, {-3, -1, 4}), {}, 1);
  const Followed run = follow(recipe_with("name = \"scaffold\", eta = 0.1, interval = 4", 3, 5), *objective);
  EXPECT_FALSE(run.rounds[0].heterogeneity) << "nothing is known of a gradient's time before the first one";
  for (size_t k = 1; k < run.rounds.size(); ++k) {
    ASSERT_TRUE(run.rounds[k].heterogeneity->corrections) << k;
    const CorrectionQuality& q = *run.rounds[k].heterogeneity->corrections;
    EXPECT_NEAR(q.mean_cosine, 1, 1e-4) << k;
    EXPECT_NEAR(q.mean_ratio, m / std::pow(z, 4), 1e-3) << k;
    EXPECT_NEAR(q.cosine, 1, 1e-4) << k;
    EXPECT_NEAR(q.ratio, 1 - std::pow(1 - m, static_cast<double>(k)), 1e-4) << k;
  }
}

// Two clients with slopes ±1 and steps that are always cut to γ go I γ apart from their mean: half of 2γI.
TEST(RoundsProbe, TellsTheDriftBesideItsBound) {
  const auto objective = make_function_objective(tilted(1, 0, {-1, 1}), {}, 1);
  const Followed run = follow(recipe_with("name = \"celgc\", eta = 10.0, gamma = 0.25, interval = 8", 2, 3), *objective);
  for (const FollowedRound& r : run.rounds) {
    EXPECT_NEAR(r.drift, 8 * 0.25, 1e-4);
    EXPECT_DOUBLE_EQ(r.drift_bound, 2 * 8 * 0.25);
  }
}

// ‖∇f‖² = 20·2² at the start, which so small steps don't leave, and a gradient's noise has the trace 20·0.5².
TEST(RoundsProbe, HasTheNoiseScaleOfFirstGradients) {
  const auto objective =
      make_function_objective(tilted(20, 2, {0, 0, 0, 0}), {.kind = "gaussian", .scale = 0.5, .bound = 6}, 1);
  const Followed run = follow(recipe_with("name = \"celgc\", eta = 1e-7, gamma = 1.0, interval = 2", 4, 300), *objective);
  ASSERT_EQ(run.rounds.size(), 300u);
  for (const FollowedRound& r : run.rounds) ASSERT_EQ(r.clients, 4);
  const NoiseScale scale = mean_scale(run.rounds);
  EXPECT_NEAR(scale.gradient_square, 80, 1.5);
  EXPECT_NEAR(scale.noise_trace, 5, 0.6);
  EXPECT_NEAR(scale.batch, 5 / 80.0, 0.01);
  EXPECT_NE(test::error_of([&] { (void)round_scale({.clients = 1}); }), "");
}

// One round by hand has ‖g‖² of 9 and 5, and a mean of square 4, with batches of 3 and 6 samples.
TEST(RoundsProbe, SolvesARoundsNoiseScale) {
  const NoiseScale s = round_scale({.clients = 2, .batch = 3, .small_square = 7, .big_square = 4});
  EXPECT_DOUBLE_EQ(s.gradient_square, (6 * 4 - 3 * 7) / 3.0);
  EXPECT_DOUBLE_EQ(s.noise_trace, (7 - 4) / (1 / 3.0 - 1 / 6.0));
}

struct FollowedImages : testing::Test {
  test::TempFolder data;
  test::Environment root{"TACET_DATA", data.path()}, home{"HOME", data.path()};
  void SetUp() override { write_idx_set(data, 90, 31, 18, 3); }
};

// Dropout, augmentation, running statistics and the clients' places in their data are as they were behind every look.
TEST_F(FollowedImages, RunsHaveTheBitsOfThoseThatAreNotFollowed) {
  const std::string head =
      "[data]\nname = \"idx\"\nbatch_size = 8\neval_batch = 7\ncrop_padding = 1\nflip = true\n[model]\n";
  const std::string tail = "[clients]\ncount = 3\n[schedule]\nrounds = 5\n[algorithm]\neta = 0.05\n";
  for (const std::string model : {"name = \"mnist-cnn\"\nhidden_dropout = 0.3\n", "name = \"resnet-20\"\nwidth = 2\n"})
    for (const std::string method :
         {"name = \"celgc\"\ngamma = 0.2\ninterval = 3\nmomentum = 0.5\n", "name = \"episode\"\ngamma = 0.2\ninterval = 2\n",
          "name = \"scaffold\"\ngamma = 0.2\ninterval = 2\n"}) {
      const Recipe recipe = parse_recipe(head + model + tail + method, "followed.toml");
      const auto objective = make_objective(recipe, 3);
      const Followed run = follow(recipe, *objective, method.find("episode") != std::string::npos ? 1 : 0);
      EXPECT_TRUE(run.rounds.back().heterogeneity) << model << method;
      Observer quiet;
      EXPECT_TRUE(at::equal(run.x, train(recipe, *single_group(), {}, quiet).x)) << model << method;
    }
}

}  // namespace
}  // namespace tacet
