// Results that are read from the folders of runs: states, means, the best, and the files that tell them.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/files.h"
#include "sweep/point_watch.h"
#include "sweep/results.h"
#include "sweep/sweep_fixture.h"

namespace tacet {
namespace {

struct ResultsTest : testing::Test {
  SweepTest test;
  SweepPlan plan;
  SweepFolder folder{test / "out"};

  ResultsTest() {
    SweepRequest request = test.request();
    request.grids = {"algorithm.eta=0.1,0.2,0.3"};
    request.seeds = "1..2";
    plan = plan_sweep(request);
    open_sweep_folder(folder, plan);
  }

  void finish(size_t point, double loss, const std::string& more = "") const {
    test.write("out/" + plan.points[point].name + "/summary.json",
               "{\"status\": \"done\", \"seconds\": 2.5, \"final\": {\"train_loss\": " + std::to_string(loss) + more + "}}");
  }
};

TEST_F(ResultsTest, AreMeansOverSeeds) {
  finish(0, 1), finish(1, 3), finish(2, 1.5), finish(3, 1.5);
  const SweepResults results = results_of(plan, folder);
  ASSERT_EQ(results.groups.size(), 3u);
  EXPECT_DOUBLE_EQ(results.groups[0].mean, 2);
  EXPECT_DOUBLE_EQ(results.groups[0].deviation, std::sqrt(2.0));
  EXPECT_EQ(results.groups[0].count, 2u);
  EXPECT_EQ(results.groups[2].count, 0u);
  EXPECT_EQ(results.best, size_t{1});
}

TEST_F(ResultsTest, PreferGroupsThatAreComplete) {
  finish(0, 0.1), finish(2, 1.5), finish(3, 1.5);
  EXPECT_EQ(results_of(plan, folder).best, size_t{1});
}

TEST_F(ResultsTest, KnowThatMoreAccuracyIsBetter) {
  finish(0, 1, ", \"eval_accuracy\": 0.5"), finish(1, 1, ", \"eval_accuracy\": 0.5");
  finish(2, 1, ", \"eval_accuracy\": 0.75"), finish(3, 1, ", \"eval_accuracy\": 0.75");
  plan.best = "eval_accuracy";
  EXPECT_EQ(results_of(plan, folder).best, size_t{1});
}

TEST_F(ResultsTest, SayWhichFiguresThereAre) {
  finish(0, 1, ", \"eval_loss\": 2");
  plan.best = "eval_bleu";
  EXPECT_EQ(
      test::error_of([&] { (void)results_of(plan, folder); }),
      "the figure that decides must be one that the runs have (train_loss, eval_loss), got eval_bleu; the runs are kept: "
      "choose one of these with --key, or with best in [sweep] or [figure]");
}

TEST_F(ResultsTest, AreWritten) {
  finish(0, 1), finish(1, 3);
  keep_failure(folder, plan.points[2], {PointState::Kind::diverged, "a, \"b\""});
  write_results(plan, results_of(plan, folder), folder);
  const std::string csv = read_file(test / "out/sweep.csv");
  EXPECT_TRUE(csv.starts_with("point,algorithm.eta,seed,state,reason,seconds,train_loss\n")) << csv;
  EXPECT_NE(csv.find(",0.2,1,diverged,\"a, \"\"b\"\"\",,\n"), std::string::npos) << csv;
  EXPECT_EQ(read_file(test / "out/best.toml"), plan.points[0].recipe);
  EXPECT_NE(read_file(test / "out/sweep.json").find("\"deviation\": 1.414"), std::string::npos);
}

TEST_F(ResultsTest, OfAFailureGoWithTheNextStart) {
  keep_failure(folder, plan.points[0], {PointState::Kind::failed, "was killed"});
  EXPECT_EQ(state_of(folder, plan.points[0]).reason, "was killed");
  forget_failure(folder, plan.points[0]);
  EXPECT_EQ(state_of(folder, plan.points[0]).kind, PointState::Kind::open);
}

TEST_F(ResultsTest, FindARunByItsDigestWhateverItsName) {
  test.write("out/other=1-" + plan.points[0].digest + "/summary.json", "{\"status\": \"done\"}");
  EXPECT_EQ(state_of(folder, plan.points[0]).kind, PointState::Kind::done);
}

TEST_F(ResultsTest, OfAVersionWithAnotherDefaultAreNotTaken) {
  const Point& point = plan.points[0];
  EXPECT_NO_THROW(require_same_values(folder, point));  // never run
  test.write("out/" + point.name + "/recipe.toml", point.recipe);
  EXPECT_NO_THROW(require_same_values(folder, point));
  std::string other = point.recipe;
  const std::string is = "interval = 8\n";
  other.replace(other.find(is), is.size(), "interval = 9\n");
  test.write("out/" + point.name + "/recipe.toml", other);
  const std::string said = test::error_of([&] { require_same_values(folder, point); });
  EXPECT_TRUE(said.ends_with("/recipe.toml has algorithm.interval = 9, and the point " + point.name +
                             " has 8: another version of tacet with another default has made it; give another --out, or set "
                             "algorithm.interval"))
      << said;
}

TEST_F(ResultsTest, MoveARunAsideThatCanNotGoOn) {
  const std::string run = "out/" + plan.points[0].name;
  EXPECT_FALSE(move_stuck_run(folder, plan.points[0]));
  test.write(run + "/recipe.toml", "");
  EXPECT_TRUE(move_stuck_run(folder, plan.points[0]));
  EXPECT_TRUE(std::filesystem::exists(test / "out/aside/" + plan.points[0].digest + ".1/recipe.toml"));
  test.write(run + "/recipe.toml", "");
  test.write(run + "/metrics.jsonl", "");
  EXPECT_FALSE(move_stuck_run(folder, plan.points[0]));
  test.write(run + "/model.safetensors", "");
  EXPECT_TRUE(move_stuck_run(folder, plan.points[0]));
  test.write(run + "/model.safetensors", "");
  test.write(run + "/checkpoint/state", "");
  EXPECT_FALSE(move_stuck_run(folder, plan.points[0]));
}

TEST_F(ResultsTest, OfTwoSweepsInOneFolderMustHaveOneRecipe) {
  SweepRequest more = test.request();
  more.grids = {"algorithm.eta=0.4", "algorithm.interval=2"};
  EXPECT_NO_THROW(open_sweep_folder(folder, plan_sweep(more)));
  SweepRequest other = test.request();
  other.grids = {"algorithm.eta=0.4"};
  other.sets = {"schedule.rounds=30"};
  EXPECT_EQ(test::error_of([&] { open_sweep_folder(folder, plan_sweep(other)); }),
            "--out: " + folder.path +
                " holds a sweep with schedule.rounds = 20, and this one has 30: give another --out, or "
                "make schedule.rounds an axis");
  test.write("mine/notes.txt", "");
  EXPECT_EQ(test::error_of([&] { open_sweep_folder({test / "mine"}, plan); }),
            "--out: " + (test / "mine") + " is not empty and holds no sweep: give a new name, or that of a sweep");
  // A sweep that begins at this moment has made a folder, and its plan is not there yet.
  test.write("begins/claims/none", "");
  test.write("begins/plan.json.7.part", "{");
  EXPECT_NO_THROW(open_sweep_folder({test / "begins"}, plan));
}

// A dry run took every folder. It makes nothing, and says what the sweep itself would say.
TEST_F(ResultsTest, OfAFolderThatASweepWouldRefuseAreNotListed) {
  const auto said = [&](const std::string& path, const SweepPlan& some) {
    return test::error_of([&] { require_sweep_folder({path}, some, some.points); });
  };
  EXPECT_EQ(said(folder.path, plan), "");
  EXPECT_EQ(said(test / "new/out", plan), "");
  EXPECT_FALSE(std::filesystem::exists(test / "new"));
  SweepRequest other = test.request();
  other.grids = {"algorithm.eta=0.4"};
  other.sets = {"schedule.rounds=30"};
  const SweepPlan another = plan_sweep(other);
  const std::string before = read_file(folder.path + "/plan.json");
  test.write("mine/notes.txt", "");
  test.write("file", "");
  EXPECT_TRUE(said(test / "file", plan).ends_with("/file can't be made: Not a directory"));
  const auto expect_refused = [&](const std::string& path, const SweepPlan& some) {
    EXPECT_NE(said(path, some), "") << path;
    EXPECT_EQ(said(path, some), test::error_of([&] { open_sweep_folder({path}, some); })) << path;
  };
  expect_refused(folder.path, another);
  expect_refused(test / "mine", plan);
  expect_refused(test / "file", plan);
  expect_refused(test / "file/out", plan);
  EXPECT_EQ(read_file(folder.path + "/plan.json"), before);
  // A point that is done, by a version with another default.
  finish(0, 1);
  std::string old = plan.points[0].recipe;
  const std::string is = "interval = 8\n";
  test.write("out/" + plan.points[0].name + "/recipe.toml", old.replace(old.find(is), is.size(), "interval = 9\n"));
  EXPECT_NE(said(folder.path, plan).find("/recipe.toml has algorithm.interval = 9, and the point "), std::string::npos);
}

// ---- the watch over a run ----

std::string round_line(int round, double loss) {
  return "{\"event\":\"round\",\"round\":" + std::to_string(round) + ",\"train_loss\":" + std::to_string(loss) + "}\n";
}

TEST(Watch, SeesHowFarARunIs) {
  test::TempFolder folder;
  Point point;
  point.rounds = 20;
  PointWatch watch(point, folder / "m", 10);
  watch.look();
  EXPECT_EQ(watch.fraction(), 0);
  folder.write("m", round_line(1, 2) + round_line(5, 2) + "{\"event\":\"round\",\"rou");
  watch.look();
  EXPECT_EQ(watch.fraction(), 0.25);
  folder.write("m", round_line(1, 2));  // a run that goes on has cut its log
  watch.look();
  EXPECT_EQ(watch.fraction(), 0.05);
}

std::string divergence(double limit, const std::vector<double>& losses) {
  test::TempFolder folder;
  std::string lines;
  for (size_t k = 0; k < losses.size(); ++k) lines += round_line(static_cast<int>(k) + 1, losses[k]);
  PointWatch watch(Point(), folder.write("m", lines), limit);
  watch.look();
  return watch.divergence();
}

TEST(Watch, CallsItDivergenceWhereTheLossStaysHigh) {
  std::vector<double> losses(11, 21);
  losses[0] = 2;
  EXPECT_EQ(divergence(10, losses),
            "the training loss was above 10 times that of the first round (2) in 10 rounds in a row, 21 in round 11");
  EXPECT_EQ(divergence(0, losses), "");
  EXPECT_EQ(divergence(11, losses), "");
  losses[5] = 3;
  EXPECT_EQ(divergence(10, losses), "");
  losses.assign(30, 21), losses[0] = -2;
  EXPECT_EQ(divergence(10, losses), "");
}

}  // namespace
}  // namespace tacet
