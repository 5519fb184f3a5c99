// The tables: which figures they take from a run, and how they fit a terminal.
#include "report/compare.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "report/fixture.h"

namespace tacet::report_test::compare {
namespace {

using nlohmann::json;
using RunList = std::vector<Run>;  // inside a test, Run is a member of GoogleTest's

json eval(const char* split, int iteration, double perplexity, bool averaged = false) {
  return {{"event", "eval"},
          {"split", split},
          {"iteration", iteration},
          {"eval_perplexity", perplexity},
          {"averaged", averaged}};
}

json epoch(int n, double loss) { return {{"event", "epoch"}, {"epoch", n}, {"iteration", 10 * n}, {"train_loss", loss}}; }

Run named(const std::string& name) {
  Run run;
  run.name = name;
  run.summary = json::object();
  return run;
}

// The text of a column's cell, or "no column".
std::string cell(const Table& table, const std::string& head, size_t row) {
  for (const Column& column : table.columns) {
    if (column.head == head) return column.cells.at(row);
  }
  return "no column";
}

TEST(Facts, BestIsTheLowestAndFinalTheLast) {
  auto run = named("a");
  run.evals = {eval("valid", 10, 90), eval("valid", 20, 70), eval("valid", 30, 80), eval("test", 30, 75)};
  Facts f = facts(run);
  EXPECT_EQ(f.perplexity.valid, 80);
  EXPECT_EQ(f.perplexity.valid_best, 70);
  EXPECT_EQ(f.perplexity.test, 75);
  EXPECT_TRUE(std::isnan(f.accuracy.valid));
}

TEST(Facts, BestAccuracyIsTheHighest) {
  auto run = named("a");
  for (double accuracy : {0.5, 0.9, 0.8}) {
    run.evals.push_back({{"split", "test"}, {"iteration", run.evals.size()}, {"eval_accuracy", accuracy}});
  }
  EXPECT_EQ(facts(run).accuracy.test_best, 0.9);
  EXPECT_EQ(facts(run).accuracy.test, 0.8);
}

TEST(Facts, AnAverageReplacesTheModelOfTheSameIteration) {
  auto run = named("a");
  run.evals = {eval("valid", 10, 90), eval("valid", 20, 70, true), eval("valid", 20, 85)};
  EXPECT_EQ(facts(run).perplexity.valid, 70);
  EXPECT_EQ(held_out(run).size(), 2u);
}

TEST(Facts, ARunWithoutValidationSetIsFollowedOnTheTestSet) {
  auto run = named("a");
  run.evals = {eval("test", 10, 90), eval("test", 20, 80)};
  EXPECT_EQ(held_out(run).size(), 2u);
  run.evals.push_back(eval("valid", 20, 70));
  EXPECT_EQ(held_out(run).size(), 1u);
}

TEST(Facts, OfARunThatWasCopiedWithoutItsMetricsAreTheSummarys) {
  auto run = named("a");
  run.summary = {{"final", {{"eval_perplexity", 80}, {"test_perplexity", 75}}}, {"best", {{"eval_perplexity", 70}}}};
  const Scores s = facts(run).perplexity;
  EXPECT_EQ(s.valid, 80);
  EXPECT_EQ(s.valid_best, 70);
  EXPECT_EQ(s.test, 75);
}

TEST(Facts, TrainLossIsTheLastEpochsOrElseTheMeanOfTheRounds) {
  auto run = named("a");
  run.rounds = {{{"train_loss", 2.0}}, {{"train_loss", nullptr}}, {{"train_loss", 4.0}}};
  EXPECT_EQ(facts(run).train_loss, 3.0);  // (2 + 4) / 2
  run.epochs = {epoch(1, 9), epoch(2, 8)};
  EXPECT_EQ(facts(run).train_loss, 8.0);
}

// The help told of a finished epoch alone.
TEST(Facts, HelpSaysWhatTheTrainLossIsWithoutAnEpoch) {
  const Table table = summary_table({named("a")});
  const auto column =
      std::find_if(table.columns.begin(), table.columns.end(), [](const Column& c) { return c.head == "train loss"; });
  ASSERT_TRUE(column != table.columns.end());
  EXPECT_NE(column->help.find("or since the start where none has finished"), std::string::npos);
}

TEST(Facts, CountersComeFromTheLinesUntilTheRunIsDone) {
  auto run = named("a");
  run.rounds = {{{"round", 7}, {"iteration", 28}, {"communications", 7}, {"seconds", 3.5}}};
  run.summary = {{"status", "interrupted"}, {"rounds", 5}};
  EXPECT_EQ(facts(run).rounds, 7);
  EXPECT_EQ(facts(run).seconds, 3.5);
  run.summary = {{"status", "done"}, {"rounds", 8}};
  EXPECT_EQ(facts(run).rounds, 8);
  EXPECT_EQ(facts(named("b")).status, "unfinished");
}

TEST(Tables, RelativeFiguresReferToTheFirstRun) {
  RunList runs = {named("a"), named("b")};
  runs[0].summary = {{"communications", 400}, {"seconds", 10}, {"bytes_sent", 0}};
  runs[1].summary = {{"communications", 50}, {"seconds", 4}, {"bytes_sent", 1}};
  runs[0].epochs = {epoch(1, 4)};
  runs[1].epochs = {epoch(1, 5)};
  Table table = relative_table(runs);
  EXPECT_EQ(cell(table, "comms x", 1), "0.125");        // 50 / 400
  EXPECT_EQ(cell(table, "time x", 1), "0.400");         // 4 / 10
  EXPECT_EQ(cell(table, "train loss %", 1), "+25.00");  // (5 − 4) / 4
  EXPECT_EQ(cell(table, "MB x", 1), "-");               // nothing is a multiple of zero bytes
  EXPECT_TRUE(relative_table({runs[0]}).columns.empty());
}

TEST(Tables, TheBestOfAColumnIsStressedAndSoIsWhatPrintsTheSame) {
  RunList runs = {named("a"), named("b"), named("c")};
  runs[0].evals = {eval("valid", 1, 90.001)};
  runs[1].evals = {eval("valid", 1, 91)};
  runs[2].evals = {eval("valid", 1, 90.002)};
  int seen = 0;
  for (const Column& column : summary_table(runs).columns) {
    if (column.head != "valid ppl") continue;
    EXPECT_EQ(column.best, (std::vector<bool>{true, false, true}));
    ++seen;
  }
  EXPECT_EQ(seen, 1);
}

TEST(Tables, EqualEpochsAreThoseOfTwoRunsAndAtMostTwelve) {
  RunList runs = {named("a"), named("b"), named("c")};
  for (int e = 1; e <= 57; ++e) runs[0].epochs.push_back(epoch(e, 5));
  for (int e = 1; e <= 48; ++e) runs[1].epochs.push_back(epoch(e, 4));
  runs[2].epochs = {epoch(1, 6)};
  Table table = epoch_table(runs);
  // 1 and 48 are the ends of what two runs share; steps of 5 give 9 lines between them.
  EXPECT_EQ(table.columns[0].cells,
            (std::vector<std::string>{"1", "5", "10", "15", "20", "25", "30", "35", "40", "45", "48"}));
  EXPECT_EQ(table.columns[3].cells[0], "6.0000");
  EXPECT_EQ(table.columns[3].cells[1], "-");
  EXPECT_TRUE(table.columns[2].best[0]);
  EXPECT_FALSE(table.columns[1].best[0]);
  EXPECT_TRUE(epoch_table({runs[0]}).columns.empty());
}

// Rounds of 0.9 epochs: the second one ends at 1.8 and finishes the first epoch.
TEST(Tables, ARoundThatEndsInTheNextEpochBelongsToTheOneItFinished) {
  RunList runs = {named("a"), named("b")};
  for (const int e : {1, 2}) runs[0].epochs.push_back(epoch(e, e));
  runs[1].epochs = {{{"epoch", 1.8}, {"epoch_finished", 1}, {"train_loss", 7.0}},
                    {{"epoch", 2.7}, {"epoch_finished", 2}, {"train_loss", 6.0}}};
  EXPECT_EQ(epoch_table(runs).columns[2].cells, (std::vector<std::string>{"7.0000", "6.0000"}));
}

TEST(Tables, RunsThatEndedAtOtherEpochsAreNoted) {
  RunList runs = {named("a"), named("b")};
  runs[0].epochs = {epoch(10, 1)};
  runs[1].epochs = {epoch(10, 1)};
  EXPECT_EQ(compare_table(runs, 80).find("ended at different epochs"), std::string::npos);
  runs[1].epochs = {epoch(12, 1)};
  EXPECT_NE(compare_table(runs, 80).find("ended at different epochs"), std::string::npos);
}

// A column of their own, which is there for runs that have them only.
TEST(Tables, LocalEpochsStandBesideTheInterval) {
  auto steps = named("steps"), epochs = named("epochs");
  steps.summary = epochs.summary = {{"status", "done"}};  // then there is no column of the status
  steps.recipe = "[algorithm]\nname = \"celgc\"\ninterval = 8\n";
  epochs.recipe = "[algorithm]\nname = \"fed-lamb\"\nlocal_epochs = 3\n";
  const Table both = summary_table({steps, epochs});
  EXPECT_EQ(cell(both, "I", 0), "8");
  EXPECT_EQ(cell(both, "E", 0), "-");
  EXPECT_EQ(cell(both, "I", 1), "-");
  EXPECT_EQ(cell(both, "E", 1), "3");
  EXPECT_EQ(both.columns[2].head, "I");
  EXPECT_EQ(both.columns[3].head, "E");
  for (const size_t k : {2u, 3u}) EXPECT_FALSE(both.columns[k].words) << "numbers line up on the right";
  EXPECT_EQ(cell(summary_table({steps, steps}), "E", 0), "no column");
}

TEST(Text, NamesCannotReachTheTerminalsControls) {
  auto run = named(
      "a\x1B[31m\xC2\x9B"
      "b\n");
  std::string out = compare_table({run}, 80);
  EXPECT_EQ(out.find('\x1B'), std::string::npos);
  EXPECT_EQ(out.find('\xC2'), std::string::npos);
  EXPECT_NE(out.find("a?[31m?b?"), std::string::npos);
}

TEST(Text, LongNamesKeepTheirEnds) {
  std::string out = compare_table({named("experiment-" + std::string(60, 'x') + "-interval-16")}, 80);
  EXPECT_NE(out.find("experiment-"), std::string::npos);
  EXPECT_NE(out.find("-interval-16"), std::string::npos);
}

RC_GTEST_PROP(Text, NoLineIsWiderThanTheTerminal, ()) {
  int width = *rc::gen::inRange(40, 200);
  auto names = *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(rc::gen::string<std::string>()));
  RC_PRE(!names.empty() && names.size() < 12);
  RunList runs;
  for (const std::string& name : names) {
    runs.push_back(named(name));
    double big = std::pow(10.0, *rc::gen::inRange(-12, 14));
    runs.back().summary = {
        {"algorithm", name}, {"clients", 8}, {"seconds", big}, {"bytes_sent", big}, {"communications", big}};
    runs.back().epochs = {epoch(1, big), epoch(2, 1)};
    runs.back().evals = {eval("valid", 1, big), eval("test", 2, 3)};
  }
  std::istringstream lines(compare_table(runs, width));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("The runs ended")) continue;
    long columns = std::count_if(line.begin(), line.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; });
    RC_ASSERT(columns <= width);
  }
}

}  // namespace
}  // namespace tacet::report_test::compare
