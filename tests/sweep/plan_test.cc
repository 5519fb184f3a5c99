// The points of a sweep.
#include <gtest/gtest.h>

#include <optional>

#include "base/digest.h"
#include "sweep/runner.h"
#include "sweep/sweep_fixture.h"
#include "tacet/recipe.h"

namespace tacet {
namespace {

std::vector<std::string> groups(const SweepPlan& plan) {
  std::vector<std::string> out;
  for (const Point& point : plan.points) out.push_back(point.group() + " " + std::to_string(point.seed));
  return out;
}

using Texts = std::vector<std::string>;

TEST(Plan, IsTheProductOfAxesAndSeeds) {
  SweepTest test;
  SweepRequest request = test.request();
  request.grids = {"algorithm.eta=0.1,0.2", "algorithm.interval=2,4"};
  request.seeds = "1..2";
  EXPECT_EQ(groups(plan_sweep(request)),
            (Texts{"algorithm.eta=0.1 algorithm.interval=2 1", "algorithm.eta=0.1 algorithm.interval=2 2",
                   "algorithm.eta=0.1 algorithm.interval=4 1", "algorithm.eta=0.1 algorithm.interval=4 2",
                   "algorithm.eta=0.2 algorithm.interval=2 1", "algorithm.eta=0.2 algorithm.interval=2 2",
                   "algorithm.eta=0.2 algorithm.interval=4 1", "algorithm.eta=0.2 algorithm.interval=4 2"}));
}

TEST(Plan, GivesAnAxisOfOneMethodToItsRunsOnly) {
  SweepTest test;
  const SweepRequest request =
      test.request("[sweep]\nalgorithm.name = [\"fedavg\", \"celgc\"]\n[sweep.celgc]\nalgorithm.gamma = [1, 2]\n");
  EXPECT_EQ(groups(plan_sweep(request)),
            (Texts{"algorithm.name=\"fedavg\" 1", "algorithm.name=\"celgc\" algorithm.gamma=1.0 1",
                   "algorithm.name=\"celgc\" algorithm.gamma=2.0 1"}));
}

TEST(Plan, TellsOfAnAxisThatNoRunHas) {
  SweepTest test;
  const SweepRequest request = test.request("[sweep]\nseeds = [1, 2]\n[sweep.scaffold]\nalgorithm.gamma = [1, 2]\n");
  EXPECT_EQ(plan_sweep(request).notes,
            Texts{"the axis algorithm.gamma is for scaffold only, which no run of this sweep is"});
}

TEST(Plan, VariesRandomAxesTogether) {
  SweepTest test;
  SweepRequest request = test.request();
  request.grids = {"algorithm.eta=0.1..1:random:6", "algorithm.gamma=0.1..1:log-random:6"};
  EXPECT_EQ(plan_sweep(request).points.size(), 6u);
}

// A random axis is drawn by one seed, wherever axis and seed are given. Before, --random-seed drew those of --grid alone,
// and the recipe's random_seed those of its own [sweep].
TEST(Plan, DrawsEveryRandomAxisByTheStrongestSeed) {
  SweepTest test;
  const std::string axis = "algorithm.eta = \"0.1..1:random:4\"\n";
  const auto drawn = [&](const std::string& table, const std::string& set, std::optional<int64_t> flag, bool by_grid) {
    SweepRequest request = test.request(table);
    if (by_grid) request.grids = {"algorithm.eta=0.1..1:random:4"};
    if (!set.empty()) request.sets = {set};
    request.random_seed = flag;
    return groups(plan_sweep(request));
  };
  const Texts five = drawn("[sweep]\nrandom_seed = 5\n" + axis, "", {}, false);
  EXPECT_NE(five, drawn("[sweep]\n" + axis, "", {}, false));
  EXPECT_EQ(five, drawn("[sweep]\n" + axis, "", 5, false));
  EXPECT_EQ(five, drawn("[sweep]\nrandom_seed = 7\n" + axis, "sweep.random_seed=6", 5, false));
  EXPECT_EQ(five, drawn("", "", 5, true));
  EXPECT_EQ(five, drawn("", "sweep.random_seed=5", {}, true));
  EXPECT_EQ(five, drawn("[sweep]\nrandom_seed = 5\n", "", {}, true));
}

TEST(Plan, RunsTheSameThingOnce) {
  SweepTest test;
  SweepRequest request = test.request();
  request.grids = {"algorithm.interval=1..3:random:40"};
  const SweepPlan plan = plan_sweep(request);
  EXPECT_LE(plan.points.size(), 3u);
  EXPECT_EQ(plan.notes,
            Texts{std::to_string(40 - plan.points.size()) + " points are the same runs as others and are run once"});
}

TEST(Plan, GridStandsInThePlaceOfTheRecipesAxes) {
  SweepTest test;
  SweepRequest request = test.request("[sweep]\nbest = \"eval_loss\"\nseeds = [5]\nalgorithm.eta = [1, 2]\n");
  request.grids = {"algorithm.gamma=1,2"};
  const SweepPlan plan = plan_sweep(request);
  EXPECT_EQ(groups(plan), (Texts{"algorithm.gamma=1.0 5", "algorithm.gamma=2.0 5"}));
  EXPECT_EQ(plan.best, "eval_loss");
}

// A folder's digest follows from the run alone, whatever the grid around it.
TEST(Point, IsNamedByItsContent) {
  SweepTest test;
  SweepRequest one = test.request(), two = test.request();
  one.grids = {"algorithm.eta=0.5,1"};
  two.grids = {"algorithm.gamma=0.05,2", "algorithm.eta=0.5"};
  const Point a = plan_sweep(one).points[0], b = plan_sweep(two).points[0];
  EXPECT_EQ(a.digest, b.digest);
  EXPECT_EQ(a.name, "eta=0.5-" + a.digest);
  EXPECT_EQ(b.name, "gamma=0.05,eta=0.5-" + a.digest);
  EXPECT_NE(a.digest, plan_sweep(one).points[1].digest);
}

// So a version with one option more finds the points of the version before.
TEST(Point, IsMarkedByWhatIsNoDefault) {
  SweepTest test;
  SweepRequest request = test.request(), told = test.request();
  request.grids = told.grids = {"algorithm.eta=0.5"};
  told.sets = {"run.gradient_every=0"};
  Digest digest;
  digest.add(
      "data.name = \"noise\"\ndata.noise.kind = \"uniform\"\nmodel.name = \"quartic-pair\"\nalgorithm.name = \"celgc\"\n"
      "algorithm.eta = 0.5\nalgorithm.gamma = 0.05\nalgorithm.interval = 8\nclients.count = 2\nschedule.rounds = 20\n");
  const SweepPlan plan = plan_sweep(request);
  EXPECT_EQ(plan.points[0].digest, digest.hex().substr(0, 12));
  EXPECT_EQ(plan.base.count("run.gradient_every"), 0u);
  EXPECT_EQ(plan.base, plan_sweep(told).base);
  told.sets = {"run.gradient_every=1"};
  EXPECT_NE(plan.points[0].digest, plan_sweep(told).points[0].digest);
}

// Runs from other initial weights, or on other data of one's own, are other runs; a file that has moved is none, nor is
// another folder of a published set.
TEST(Point, IsToldApartByItsFiles) {
  SweepTest test;
  const auto digest = [&](const std::vector<std::string>& sets) {
    SweepRequest request;
    request.recipe = test.write("text.toml",
                                "[data]\nname = \"text\"\nroot = \"/a\"\n[model]\nname = \"awd-lstm\"\n[algorithm]\n"
                                "name = \"celgc\"\neta = 1\ngamma = 1\n[schedule]\nrounds = 1\n");
    request.seeds = "1";
    request.sets = sets;
    return plan_sweep(request).points[0].digest;
  };
  const std::string a = test.write("a.bin", "weights"), moved = test.write("moved.bin", "weights"),
                    b = test.write("b.bin", "other weights");
  const std::set<std::string> apart = {digest({}), digest({"model.init=" + a}), digest({"model.init=" + b}),
                                       digest({"data.root=/b"})};
  EXPECT_EQ(apart.size(), 4u);
  EXPECT_EQ(digest({"model.init=" + a}), digest({"model.init=" + moved}));
  EXPECT_EQ(digest({"data.name=ptb"}), digest({"data.name=ptb", "data.root=/b"}));
}

TEST(Point, HasAWholeRecipe) {
  SweepTest test;
  SweepRequest request = test.request();
  request.grids = {"algorithm.eta=0.5"};
  request.seeds = "9";
  const Recipe recipe = parse_recipe(plan_sweep(request).points[0].recipe, "r.toml");
  EXPECT_EQ(recipe.algorithm.number("eta"), 0.5);
  EXPECT_EQ(recipe.run.integer("seed"), 9);
}

TEST(Point, HasANameThatAnyFileSystemTakes) {
  SweepTest test;
  SweepRequest request = test.request();
  request.grids = {"schedule.milestones=[1, 2],[1]"};
  for (const Point& point : plan_sweep(request).points)
    EXPECT_EQ(point.name.find_first_of("/\\ \"[]:*?"), std::string::npos) << point.name;
}

TEST(PlanMistakes, AreNamed) {
  SweepTest test;
  SweepRequest request = test.request();
  EXPECT_EQ(test::error_of([&] { (void)plan_sweep(request); }),
            request.recipe + ": a sweep must have values to vary: give --grid, --seeds or a table [sweep], got none");
  request.grids = {"algorithm.name=fedavg,celgc", "algorithm.gamma=1,2"};
  EXPECT_TRUE(test::error_of([&] {
                (void)plan_sweep(request);
              }).starts_with("the point algorithm.name=\"fedavg\" algorithm.gamma=1.0 is no run: --set algorithm.gamma:"));
  request.grids = {"algorithm.eta=1..2:101", "algorithm.gamma=1..2:101"};
  EXPECT_EQ(test::error_of([&] { (void)plan_sweep(request); }),
            "a sweep must have at most 10000 points, got more; give fewer values");
  request.grids = {"algorithm.eta=1,2"};
  request.best = "eval_los";
  EXPECT_TRUE(test::error_of([&] { (void)plan_sweep(request); }).starts_with("--key must be one of train_loss,"));
}

// The value was dropped without a word.
TEST(PlanMistakes, ASetOfAKeyThatVariesIsRefused) {
  SweepTest test;
  const auto said = [&](const SweepRequest& given, const std::string& set) {
    SweepRequest request = given;
    request.sets = {set};
    return test::error_of([&] { (void)plan_sweep(request); });
  };
  SweepRequest grid = test.request();
  grid.grids = {"algorithm.eta=1,2"};
  EXPECT_EQ(said(grid, "algorithm.eta=3"), "--set algorithm.eta: must be given once, got it in --grid too");
  EXPECT_EQ(said(grid, " algorithm.eta = 3"), "--set algorithm.eta: must be given once, got it in --grid too");
  EXPECT_EQ(said(grid, "algorithm.gamma=3"), "");
  EXPECT_EQ(said(grid, "run.seed=3"), "");
  grid.seeds = "1..2";
  EXPECT_EQ(said(grid, "run.seed=3"), "--set run.seed: must be given once, got it in --seeds too");
  const SweepRequest table = test.request("[sweep]\nseeds = [1, 2]\nalgorithm.eta = [1, 2]\n");
  EXPECT_EQ(said(table, "algorithm.eta=3"), "--set algorithm.eta: must be given once, got it in the recipe's [sweep] too");
  EXPECT_EQ(said(table, "run.seed=3"), "--set run.seed: must be given once, got it in the recipe's [sweep] too");
  EXPECT_EQ(said(table, "sweep.algorithm.eta=[3]"), "");  // which changes the axis
}

// Runs of another method have the value, or the recipe is none without it.
TEST(Plan, TakesASetOfAKeyThatVariesWhereItIsUsed) {
  SweepTest test;
  SweepRequest request =
      test.request("[sweep]\nalgorithm.name = [\"naive-clip\", \"celgc\"]\n[sweep.celgc]\nalgorithm.gamma = [1, 2]\n");
  request.sets = {"algorithm.gamma=3"};
  const SweepPlan plan = plan_sweep(request);
  ASSERT_EQ(plan.points.size(), 3u);
  EXPECT_EQ(parse_recipe(plan.points[0].recipe, "r.toml").algorithm.number("gamma"), 3);
  std::string without_gamma = small_recipe;
  request = {};
  request.recipe = test.write("less.toml", without_gamma.replace(without_gamma.find("gamma = 0.05\n"), 13, ""));
  request.grids = {"algorithm.gamma=1,2"};
  EXPECT_NE(test::error_of([&] { (void)plan_sweep(request); }), "");
  request.sets = {"algorithm.gamma=3"};
  EXPECT_EQ(groups(plan_sweep(request)), (Texts{"algorithm.gamma=1.0 1", "algorithm.gamma=2.0 1"}));
}

TEST(Jobs, FitTheCores) {
  std::vector<Point> points(2);
  EXPECT_EQ(jobs_that_fit(points, 1, 8), 8);
  points[1].threads = 2;
  EXPECT_EQ(jobs_that_fit(points, 1, 8), 4);
  EXPECT_EQ(jobs_that_fit(points, 3, 8), 1);
  EXPECT_EQ(jobs_that_fit(points, 9, 8), 1);
}

}  // namespace
}  // namespace tacet
