// Reading run folders: whole, cut off, resumed and wrong ones.
#include "report/runs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "report/fixture.h"
#include "support/error_of.h"
#include "tacet/error.h"

namespace tacet::report_test::runs {
namespace {

struct Runs : ::testing::Test {
  std::string folder(const std::string& name) { return temp / name; }
  // A folder whose metrics.jsonl holds `text`.
  std::string with_metrics(const std::string& text) {
    write(temp / "run/metrics.jsonl", text);
    return folder("run");
  }
  std::string mistake(const std::string& dir) {
    return test::error_of([&] { read_run(dir); });
  }
  TempFolder temp;
};

std::string round_line(int round, double loss = 1) {
  return nlohmann::json{{"event", "round"}, {"round", round}, {"iteration", 4 * round}, {"train_loss", loss}}.dump() + "\n";
}

TEST_F(Runs, AFinishedRunIsReadWhole) {
  Shape shape;
  shape.epochs = 3, shape.steps = 40, shape.interval = 8;
  write_run(temp / "a", shape);
  auto run = read_run(folder("a"));
  EXPECT_EQ(run.name, "a");
  EXPECT_EQ(run.rounds.size(), 15u);  // 3 epochs of 40 steps, 8 a round
  EXPECT_EQ(run.epochs.size(), 3u);
  EXPECT_EQ(run.evals.size(), 4u);  // one an epoch, and the test set at the end
  EXPECT_EQ(text(run.summary, "status"), "done");
  EXPECT_NE(run.recipe.find("interval = 8"), std::string::npos);
}

TEST_F(Runs, AHalfWrittenLastLineIsLeftOut) {
  auto run = read_run(with_metrics(round_line(1) + round_line(2) + R"({"event":"round","rou)"));
  EXPECT_EQ(run.rounds.size(), 2u);
  EXPECT_TRUE(run.summary.is_object());
  EXPECT_TRUE(run.summary.empty());
}

TEST_F(Runs, AWholeLastLineCountsWithoutItsNewline) {
  std::string line = round_line(2);
  line.pop_back();
  EXPECT_EQ(read_run(with_metrics(round_line(1) + line)).rounds.size(), 2u);
}

TEST_F(Runs, LinesOfOtherEventsAndBlankLinesAreSkipped) {
  auto run = read_run(with_metrics(R"({"event":"clients","chosen":[1,2]})"
                                   "\n\n" +
                                   round_line(1)));
  EXPECT_EQ(run.rounds.size(), 1u);
  EXPECT_EQ(run.evals.size() + run.epochs.size(), 0u);
}

TEST_F(Runs, RepeatedRoundsReplaceTheOnesRolledBack) {
  std::string eval = R"({"event":"eval","split":"valid","iteration":12,"eval_loss":9})"
                     "\n";
  auto run =
      read_run(with_metrics(round_line(1) + round_line(2) + round_line(3, 7) + eval + round_line(2, 5) + round_line(3, 6)));
  ASSERT_EQ(run.rounds.size(), 3u);
  EXPECT_EQ(number(run.rounds[1], "train_loss"), 5);
  EXPECT_EQ(number(run.rounds[2], "train_loss"), 6);
  EXPECT_TRUE(run.evals.empty());  // it was taken at iteration 12, after the point that training went back to
}

TEST_F(Runs, MeasuredGradientsAndTheTrainingSetAreKeptApart) {
  const std::string lines = R"({"event":"gradient","iteration":4,"full_gradient_norm":2})"
                            "\n"
                            R"({"event":"train","split":"train","iteration":4,"eval_loss":3})"
                            "\n";
  auto run = read_run(with_metrics(round_line(1) + lines + round_line(2)));
  ASSERT_EQ(run.gradients.size(), 1u);
  EXPECT_EQ(number(run.gradients[0], "full_gradient_norm"), 2);
  ASSERT_EQ(run.train_set.size(), 1u);
  EXPECT_TRUE(run.evals.empty());
  // They go with what is rolled back.
  run = read_run(with_metrics(round_line(1) + lines + round_line(1)));
  EXPECT_EQ(run.gradients.size() + run.train_set.size(), 0u);
}

TEST_F(Runs, AMalformedLineIsNamed) {
  EXPECT_NE(
      mistake(with_metrics(round_line(1) + "{oops}\n" + round_line(2))).find("metrics.jsonl:2: must be one JSON object"),
      std::string::npos);
  EXPECT_NE(mistake(with_metrics("[1,2]\n")).find("metrics.jsonl:1: must be a JSON object, got array"), std::string::npos);
  EXPECT_NE(mistake(with_metrics("{\"round\":1}\n")).find("metrics.jsonl:1: must have text \"event\", got none"),
            std::string::npos);
}

TEST_F(Runs, WhatIsNoRunFolderIsSaidSo) {
  EXPECT_NE(mistake(folder("nowhere")).find("nowhere: must be a run folder, got no such folder"), std::string::npos);
  write(temp / "file", "");
  EXPECT_NE(mistake(folder("file")).find("got a file"), std::string::npos);
  write(temp / "other/recipe.toml", "");
  EXPECT_NE(mistake(folder("other")).find("without metrics.jsonl and summary.json"), std::string::npos);
  EXPECT_THROW(read_runs({}), UserError);
}

TEST_F(Runs, AMalformedSummaryIsNamed) {
  write(temp / "run/summary.json", "{\"status\": ");
  EXPECT_NE(mistake(folder("run")).find("summary.json: must be a JSON object"), std::string::npos);
  write(temp / "run/summary.json", "3");
  EXPECT_NE(mistake(folder("run")).find("summary.json: must be a JSON object, got number"), std::string::npos);
}

TEST_F(Runs, AlikeFoldersGetNamesThatDiffer) {
  for (const char* name : {"x/run", "y/run", "z"}) write(temp / (std::string(name) + "/metrics.jsonl"), "");
  auto runs = read_runs({folder("x/run"), folder("y/run/"), folder("z"), folder("z")});
  EXPECT_EQ(runs[0].name, "x/run");
  EXPECT_EQ(runs[1].name, "y/run");
  // The same folder twice has no part that differs: the second gets a number.
  EXPECT_EQ(runs[3].name, runs[2].name + " (2)");
}

TEST(RunValues, ANumberThatIsNotThereIsNaN) {
  nlohmann::json line = {{"gamma", nullptr}, {"eta", 0.5}, {"text", "x"}};
  EXPECT_EQ(number(line, "eta"), 0.5);
  EXPECT_TRUE(std::isnan(number(line, "gamma")));
  EXPECT_TRUE(std::isnan(number(line, "text")));
  EXPECT_TRUE(std::isnan(number(line, "absent")));
  EXPECT_TRUE(std::isnan(number(nlohmann::json(3), "absent")));
}

TEST(RunValues, RecipeValuesAreFoundInTheirTable) {
  std::string recipe =
      "[model]\nname = \"lstm\"\n# interval = 1\n[algorithm]\nname = 'celgc' # the method\ninterval = 8  # steps\n";
  EXPECT_EQ(recipe_value(recipe, "model", "name"), "lstm");
  EXPECT_EQ(recipe_value(recipe, "algorithm", "name"), "celgc");
  EXPECT_EQ(recipe_value(recipe, "algorithm", "interval"), "8");
  EXPECT_EQ(recipe_value(recipe, "model", "interval"), "");
}

}  // namespace
}  // namespace tacet::report_test::runs
