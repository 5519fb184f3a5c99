// Probes of functions whose constants are known, and of runs that must not notice them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "analysis/dip_test.h"
#include "analysis/heterogeneity.h"
#include "analysis/noise_probe.h"
#include "analysis/probed_objective.h"
#include "analysis/smoothness.h"
#include "analysis/symmetry_test.h"
#include "data/image_fixtures.h"
#include "problems/function_objective.h"
#include "support/environment.h"
#include "support/flat_objective.h"
#include "support/temp_folder.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/random.h"
#include "tacet/task.h"
#include "tacet/train.h"

namespace tacet {
namespace {

using Scalar = std::function<double(double)>;

// Returns Σ_j f(x_j) for each client, plus the client's own slope times x_j.
Problem sum_of(int64_t d, const Scalar& f, const Scalar& slope, const std::vector<double>& tilts = {0}) {
  Problem p{.dimension = d, .start = std::vector<double>(static_cast<size_t>(d), 1.0)};
  for (const double tilt : tilts)
    p.f.push_back({[=](std::span<const double> x) {
                     double sum = 0;
                     for (double v : x) sum += f(v) + tilt * v;
                     return sum;
                   },
                   [=](std::span<const double> x, std::span<double> g) {
                     for (size_t j = 0; j < x.size(); ++j) g[j] = slope(x[j]) + tilt;
                   },
                   {}});
  return p;
}

// Walks from `from` to `to` in so many steps and measures each.
std::vector<SmoothnessPoint> walk(const Problem& problem, double from, double to, int steps) {
  const auto objective = make_function_objective(problem, {}, 1);
  SmoothnessProbe probe(*objective, {0}, 1);
  for (int t = 0; t <= steps; ++t) probe.visit(t, at::full({problem.dimension}, from + (to - from) * t / steps));
  return probe.points();
}

TEST(Smoothness, OfAQuadraticIsItsCurvatureEverywhere) {
  const auto points = walk(sum_of(
                               5, [](double x) { return 3 * x * x; }, [](double x) { return 6 * x; }),
                           4, 0.5, 40);
  ASSERT_EQ(points.size(), 40u);
  for (const SmoothnessPoint& p : points) {
    EXPECT_TRUE(p.counts());
    EXPECT_NEAR(p.smoothness, 6, 6e-4);
  }
  const SmoothnessFit fit = fit_smoothness(points, 1);
  EXPECT_NEAR(fit.line.slope, 0, 1e-4);
  EXPECT_NEAR(fit.line.intercept, 6, 1e-2);
  EXPECT_NEAR(fit.covering, 6, 1e-2);
}

// x⁴ is (12, 3)-smooth: |12x²| ≤ 12 + 3·4|x|³.
TEST(Smoothness, OfTheQuarticIsBelowTwelvePlusThreeTimesTheSlope) {
  const auto points = walk(sum_of(
                               1, [](double x) { return x * x * x * x; }, [](double x) { return 4 * x * x * x; }),
                           3, 0.3, 300);
  for (const SmoothnessPoint& p : points) {
    const double x = std::cbrt(p.gradient / 4);
    EXPECT_LE(p.smoothness, 12 + 3 * p.gradient + 1e-3);
    EXPECT_NEAR(p.smoothness, 12 * x * x, 0.04 * 12 * x * x);  // the step is 3 % of the smallest x
  }
  const SmoothnessFit fit = fit_smoothness(points, 1);
  EXPECT_NEAR(fit.logarithms.slope, 2.0 / 3, 0.02);
  EXPECT_GT(fit.line.slope_interval.low, 0);
  EXPECT_LE(fit.covering + fit.bounding_slope * points.front().gradient, 12 + 3 * points.front().gradient);
}

// e^{ax} is (0, a)-smooth.
TEST(Smoothness, OfTheExponentialIsItsRateTimesTheSlope) {
  constexpr double a = 2;
  const auto points = walk(sum_of(
                               1, [](double x) { return std::exp(a * x); }, [](double x) { return a * std::exp(a * x); }),
                           2, -1, 400);
  const SmoothnessFit fit = fit_smoothness(points, 1);
  EXPECT_NEAR(fit.line.slope, a, 0.02 * a);
  EXPECT_NEAR(fit.line.intercept, 0, 0.02);
  EXPECT_NEAR(fit.logarithms.slope, 1, 0.01);
  EXPECT_GT(fit.line.r2, 0.999);
  EXPECT_LE(fit.shuffled_p, 0.01);
  EXPECT_LT(fit.shuffled_slope, 0.2 * a);
}

TEST(Smoothness, OfAStepThatRoundingSwallowsDoesNotCount) {
  const auto far = sum_of(
      1, [](double x) { return x; }, [](double) { return 1.0; });  // no curvature, all is rounding
  for (const SmoothnessPoint& p : walk(far, 1, 1 + 1e-6, 10)) EXPECT_FALSE(p.counts());
  EXPECT_THROW(fit_smoothness(walk(far, 1, 1 + 1e-6, 10), 1), UserError);
}

// On 3x² in each of 5 coordinates, all of which move by δ: ‖step‖ = √5 δ, and a coordinate's slope changes by 6δ.
TEST(Smoothness, OfACoordinateIsOverTheWholeStep) {
  const auto objective = make_function_objective(sum_of(
                                                     5, [](double x) { return 3 * x * x; }, [](double x) { return 6 * x; }),
                                                 {}, 1);
  SmoothnessProbe probe(*objective, {0}, 1, {1, 4});
  for (int t = 0; t <= 20; ++t) probe.visit(t, at::full({5}, 4 - 0.1 * t));
  for (const SmoothnessPoint& p : probe.points()) {
    ASSERT_EQ(p.coordinate_smoothness.size(), 2u);
    EXPECT_NEAR(p.coordinate_smoothness[1], 6 / std::sqrt(5.0), 1e-3);
    EXPECT_NEAR(p.coordinate_gradients[0], p.gradient / std::sqrt(5.0), 1e-4);
  }
  const SmoothnessFit fit = fit_cloud(coordinate_cloud(probe.points()), 1);
  EXPECT_EQ(fit.line.n, 40);
  EXPECT_NEAR(fit.line.intercept, 6 / std::sqrt(5.0), 1e-2);
}

TEST(Smoothness, MeasuresEveryFewRoundsAndPutsTheModelBack) {
  const auto objective = make_function_objective(sum_of(
                                                     3, [](double x) { return x * x; }, [](double x) { return 2 * x; }),
                                                 {}, 1);
  SmoothnessProbe probe(*objective, {0}, 3);
  Vec y = objective->workspace();
  for (int t = 0; t < 10; ++t) {
    y.fill_(1.0 / (t + 3));
    const Vec before = y.clone();
    probe.visit(t, y);
    EXPECT_TRUE(at::equal(y, before)) << t;
  }
  ASSERT_EQ(probe.points().size(), 3u);
  EXPECT_EQ(probe.points()[1].round, 3);
}

// The probe measures at this model behind the pairs, also where the next pair is rounds away, and behind a look at
// clients, which takes its vector.
TEST(Smoothness, KeepsTheLatestModelBetweenPairs) {
  const auto objective = make_function_objective(sum_of(
                                                     3, [](double x) { return x * x; }, [](double x) { return 2 * x; }),
                                                 {}, 1);
  SmoothnessProbe probe(*objective, {0}, 4);
  for (int t = 0; t < 7; ++t) {
    const Vec x = at::full({3}, 1.0 / (t + 3));
    probe.visit(t, x);
    ASSERT_TRUE(probe.last().defined()) << t;
    EXPECT_TRUE(at::equal(probe.last(), x)) << t;
    probe.release();
    probe.begin(t, x);
    ASSERT_TRUE(probe.last().defined()) << t;
    EXPECT_TRUE(at::equal(probe.last(), x)) << t;
  }
  EXPECT_EQ(probe.points().size(), 2u) << "from round 0 to 1 and from 4 to 5";
}

TEST(Noise, OfAGaussianIsFoundAsItWasMade) {
  const auto objective = make_function_objective(sum_of(
                                                     20, [](double x) { return x * x; }, [](double x) { return 2 * x; }),
                                                 {.kind = "gaussian", .scale = 0.5, .bound = 6}, 1);
  const NoiseFigures n = measure_noise(*objective, at::full({20}, 1.0), {.samples = 400, .reference = 400});
  EXPECT_NEAR(n.gradient, 2 * std::sqrt(20.0), 0.2);
  // 0.5·√2·Γ(10.5)/Γ(10) is the mean length of 20 normal numbers; that of 400 such lengths deviates by 0.017.
  EXPECT_NEAR(mean(n.norms), 2.208, 0.06);
  for (const auto& projection : n.projections) {
    EXPECT_NEAR(deviation(projection), 0.5, 0.08);
    EXPECT_GT(symmetry_test(projection).p, 0.001);
    EXPECT_GT(dip_test(projection, 1, 100).p, 0.02);
  }
  const NoiseScale scale = noise_scale(n.small_squares, 1, n.big_squares, 8);
  EXPECT_NEAR(scale.gradient_square, 80, 1.5);
  EXPECT_NEAR(scale.noise_trace, 20 * 0.25, 1);
}

TEST(Noise, OfTwoPointsHasTwoModes) {
  const auto objective = make_function_objective(sum_of(
                                                     1, [](double x) { return x; }, [](double) { return 1.0; }),
                                                 {.kind = "two-point", .scale = 1}, 1);
  const NoiseFigures n = measure_noise(*objective, at::full({1}, 1.0), {.samples = 60, .reference = 60});
  EXPECT_LT(dip_test(n.along, 1, 100).p, 0.05);
}

// Gradients 50 + noise in 20 coordinates: ±3 along the fourth one, a deviation of 0.3 along the others.
struct NoiseAlongOne : test::FlatObjective {
  NoiseAlongOne() : FlatObjective(20) {}
  BatchLoss gradient(const BatchKey& draw, const Vec&) override {
    Stream stream = draw.stream(Purpose::shuffle);
    float* g = g_.data_ptr<float>();
    for (int k = 0; k < 20; ++k)
      g[k] = static_cast<float>(50 + (k == 3 ? (stream.uniform() < 0.5 ? -3 : 3) : 0.3 * stream.normal()));
    return {1, 1};
  }
};

// The fourth coordinate has 9/(9 + 19·0.09) = 0.84 of the squared noise, and two modes.
TEST(Noise, HasItsPrincipalDirectionFromOtherGradients) {
  NoiseAlongOne objective;
  const NoiseFigures n = measure_noise(objective, at::zeros({20}), {.samples = 100, .reference = 100, .principal = 60});
  EXPECT_EQ(n.principal, 60);
  ASSERT_EQ(n.along_principal.size(), 100u);
  EXPECT_NEAR(deviation(n.along_principal), 3, 0.1);
  EXPECT_NEAR(mean(n.along_principal), 0, 0.7) << "of the noise of two means of 100";
  EXPECT_LT(dip_test(n.along_principal, 1, 100).p, 0.02);
  double along = 0, whole = 0;
  for (size_t k = 0; k < 100; ++k) along += std::pow(n.along_principal[k], 2), whole += std::pow(n.norms[k], 2);
  EXPECT_NEAR(along / whole, 0.84, 0.03);
  EXPECT_TRUE(
      measure_noise(objective, at::zeros({20}), {.samples = 9, .reference = 9, .principal = 0}).along_principal.empty());
}

TEST(Noise, EndsWhenItsTimeIsOver) {
  const auto objective = make_function_objective(sum_of(
                                                     2, [](double x) { return x; }, [](double) { return 1.0; }),
                                                 {.kind = "gaussian"}, 1);
  // The first part has its share until five of 60 draws are over, and each of the others goes on to its own.
  int drawn = 0;
  const auto time_left = [&](double share) { return ++drawn <= 5 + (share > 0.5 ? 10 : 0) + (share > 0.9 ? 10 : 0); };
  const NoiseFigures n =
      measure_noise(*objective, at::zeros({2}), {.samples = 100, .reference = 100, .time_left = time_left});
  EXPECT_EQ(n.reference, 7);
  EXPECT_EQ(n.principal, 11) << "two come unasked";
  EXPECT_EQ(n.samples, 11);
}

// Keeps the keys of its draws. All gradients are 1.
struct KeepsKeys : test::FlatObjective {
  KeepsKeys() : FlatObjective(2) {}
  BatchLoss gradient(const BatchKey& draw, const Vec&) override {
    keys.push_back(draw);
    g_.fill_(1);
    return {1, 1};
  }
  std::vector<BatchKey> keys;
};

// Data that are dealt anew in every round are one client's in one round alone: 2 + 2 + 2 draws are its steps 0 to 5.
TEST(Noise, OfDataDealtAnewIsThatOfOneDeal) {
  KeepsKeys objective;
  measure_noise(objective, at::zeros({2}), {.samples = 2, .reference = 2, .principal = 2, .client = 3, .round = 70});
  ASSERT_EQ(objective.keys.size(), 6u);
  for (size_t k = 0; k < 6; ++k) {
    EXPECT_EQ(objective.keys[k].round, 70);
    EXPECT_EQ(objective.keys[k].client, 3);
    EXPECT_EQ(objective.keys[k].step, static_cast<int64_t>(k));
  }
  KeepsKeys own;
  measure_noise(own, at::zeros({2}), {.samples = 2, .reference = 2, .principal = 2});
  for (size_t k = 1; k < 6; ++k) EXPECT_EQ(own.keys.at(k).round, own.keys.at(0).round + static_cast<int64_t>(k));
}

// ∇f_i − ∇f is the client's tilt less the mean tilt, in each of 16 coordinates: distances 4·(3, 1, 4) and κ² = 16·26/3.
TEST(Heterogeneity, IsThatOfTheTiltsWithAndWithoutNoise) {
  const auto problem = sum_of(
      16, [](double x) { return x * x; }, [](double x) { return 2 * x; }, {-3, 1 - 2, 4});
  const double kappa = std::sqrt(16 * 26 / 3.0);
  const auto exact = make_function_objective(problem, {}, 1);
  const Heterogeneity h = measure_heterogeneity(*exact, at::full({16}, 1.0), {.clients = 3, .batches = 1});
  EXPECT_NEAR(h.kappa, kappa, 1e-4);
  EXPECT_NEAR(h.distances[0], 12, 1e-4);
  EXPECT_NEAR(h.squares[2], 16 * 16, 1e-3);

  const auto noisy = make_function_objective(problem, {.kind = "gaussian", .scale = 20}, 1);
  const Heterogeneity n = measure_heterogeneity(*noisy, at::full({16}, 1.0), {.clients = 3, .batches = 100});
  EXPECT_NEAR(n.kappa, kappa, 0.25 * kappa);
  // Equal clients have none, though every client's own mean is far from the mean of all.
  const auto equal =
      make_function_objective(sum_of(
                                  16, [](double x) { return x; }, [](double) { return 1.0; }, {0, 0, 0, 0, 0, 0, 0, 0}),
                              {.kind = "gaussian", .scale = 20}, 1);
  const Heterogeneity e = measure_heterogeneity(*equal, at::full({16}, 1.0), {.clients = 8, .batches = 16});
  EXPECT_FALSE(e.kappa >= 0.6 * mean(e.distances)) << "κ may be lost in the noise, and no number then: " << e.kappa;
}

struct Probed : testing::Test {
  test::TempFolder data;
  test::Environment root{"TACET_DATA", data.path()}, home{"HOME", data.path()};
  void SetUp() override { write_idx_set(data, 90, 31, 18, 3); }

  // Trains with a probe of every round, or without. Returns the model.
  static Vec model_of(const Recipe& recipe, bool probed, size_t& points) {
    const auto inner = make_objective(recipe, static_cast<int>(recipe.clients.integer("count")));
    SmoothnessProbe probe(*inner, {0, 2}, 1);
    ProbedObjective objective(*inner, {}, [&](int64_t round, const Vec& x) {
      if (probed) probe.visit(round, x);
    });
    Observer quiet;
    const Result r = train(recipe, objective, *single_group(), {}, quiet);
    points = probe.points().size();
    return r.x;
  }
};

TEST_F(Probed, RunsHaveTheBitsOfThoseWithoutAProbe) {
  const std::string head =
      "[data]\nname = \"idx\"\nbatch_size = 8\neval_batch = 7\ncrop_padding = 1\nflip = true\n[model]\n";
  const std::string tail = "[clients]\ncount = 3\n[schedule]\nrounds = 5\n[algorithm]\neta = 0.05\n";
  for (const std::string model : {"name = \"mnist-cnn\"\nhidden_dropout = 0.3\n", "name = \"resnet-20\"\nwidth = 2\n"})
    for (const std::string method : {"name = \"celgc\"\ngamma = 0.2\ninterval = 3\nmomentum = 0.5\n",
                                     "name = \"episode\"\ngamma = 0.2\ninterval = 2\n"}) {
      const Recipe recipe = parse_recipe(head + model + tail + method, "probed.toml");
      size_t points = 0, none = 0;
      const Vec with = model_of(recipe, true, points), without = model_of(recipe, false, none);
      EXPECT_TRUE(at::equal(with, without)) << model << method;
      EXPECT_EQ(points, 4u);
      EXPECT_EQ(none, 0u);
      Observer quiet;
      EXPECT_TRUE(at::equal(with, train(recipe, *single_group(), {}, quiet).x)) << model << method;
    }
}

TEST_F(Probed, APairSeesTheSameSamplesAndLayersAddUp) {
  const Recipe recipe = parse_recipe(
      "data = { name = \"idx\", batch_size = 8, eval_batch = 7 }\nmodel = { name = \"mnist-cnn\", hidden_dropout = 0.3 }\n"
      "algorithm = { name = \"fedavg\", eta = 0.05, interval = 1 }\nclients = { count = 1 }\nschedule = { rounds = 1 }\n",
      "pair.toml");
  const auto objective = make_objective(recipe, 1);
  SmoothnessProbe probe(*objective, {0, 1, 2}, 1);
  const Vec x = objective->initial();
  probe.visit(0, x);
  probe.visit(1, x);  // no step
  EXPECT_EQ(probe.points().at(0).smoothness, 0);
  EXPECT_FALSE(probe.points().at(0).counts());
  probe.visit(2, x + 1e-3);
  const SmoothnessPoint& p = probe.points().at(1);
  double squares = 0;
  for (double g : p.layer_gradients) squares += g * g;
  EXPECT_NEAR(std::sqrt(squares), p.gradient, 1e-6 * p.gradient);
  EXPECT_GT(p.smoothness, 0);
  EXPECT_EQ(p.layer_smoothness.size(), objective->layers().size());
}

}  // namespace
}  // namespace tacet
