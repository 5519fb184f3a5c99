// Times to a target and what they say of N and I, against numbers counted by hand.
#include "report/time_to_target.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/error_of.h"

namespace tacet::report_test::time_to_target {
namespace {

using nlohmann::json;

json line_at(int round, int I, double seconds, const std::string& key, double value) {
  return {{"round", round}, {"iteration", round * I}, {"seconds", seconds}, {key, value}};
}

// A run whose training loss falls by one a round from `rounds` to 0, which it reaches then; a round takes so many seconds.
Run falling(const std::string& name, int clients, int I, int rounds, int seed, double seconds = 1) {
  Run run;
  run.name = run.folder = name;
  run.summary = {{"clients", clients}, {"algorithm", "celgc"}};
  run.recipe = "[algorithm]\nname = \"celgc\"\ninterval = " + std::to_string(I) +
               "\n[clients]\ncount = " + std::to_string(clients) + "\n[run]\nseed = " + std::to_string(seed) + "\n";
  for (int r = 1; r <= rounds; ++r) run.rounds.push_back(line_at(r, I, seconds * r, "train_loss", rounds - r));
  return run;
}

TEST(RunTarget, IsAKeyAndANumber) {
  EXPECT_EQ(parse_target("eval_loss=0.5").key, "eval_loss");
  EXPECT_EQ(parse_target("eval_loss=-5e-1").value, -0.5);
  for (const char* wrong : {"", "eval_loss", "=1", "eval_loss=", "eval_loss=low", "eval_loss=1x", "eval_loss=inf"})
    test::expect_mentions(test::error_of([&] { parse_target(wrong); }), {"--target: must be KEY=NUMBER", "got"});
}

TEST(RunTarget, IsReachedFromAboveOrByAnAccuracyFromBelow) {
  auto run = falling("a", 2, 4, 1, 1);
  run.evals = {line_at(2, 4, 0.5, "eval_loss", 3), line_at(4, 4, 1, "eval_loss", 2), line_at(6, 4, 2, "eval_loss", 2.5)};
  const auto loss = time_to({"eval_loss", 2.2}, run);
  ASSERT_TRUE(loss);
  EXPECT_EQ(loss->rounds, 4);
  EXPECT_EQ(loss->iterations, 16);
  EXPECT_EQ(loss->seconds, 1);
  EXPECT_FALSE(time_to({"eval_loss", 1.9}, run));
  run.evals = {line_at(2, 4, 0.5, "eval_accuracy", 0.3), line_at(4, 4, 1, "eval_accuracy", 0.8)};
  EXPECT_EQ(time_to({"eval_accuracy", 0.8}, run)->rounds, 4);
  EXPECT_EQ(time_to({"eval_accuracy", 0.1}, run)->rounds, 2);
  test::expect_mentions(test::error_of([&] {
                          time_to({"eval_los", 1}, run);
                        }),
                        {"a/metrics.jsonl: must have lines with eval_los", "eval_accuracy, iteration, round, seconds"});
}

// Measured gradients were refused, though a run had them, and so were evaluations of the training set, which bars of a
// figure take.
TEST(RunTarget, IsOfMeasuredGradientsAndOfTheTrainingSet) {
  auto run = falling("a", 2, 4, 4, 1);
  run.gradients = {line_at(0, 4, 0, "full_gradient_norm", 3), line_at(2, 4, 2, "full_gradient_norm", 0.5)};
  run.train_set = {line_at(3, 4, 3, "eval_accuracy", 0.7)};
  EXPECT_EQ(time_to({"full_gradient_norm", 0.5}, run)->iterations, 8);
  EXPECT_FALSE(time_to({"full_gradient_norm", 0.1}, run));
  EXPECT_EQ(time_to({"train_set_accuracy", 0.6}, run)->rounds, 3);
  test::expect_mentions(test::error_of([&] {
                          time_to({"full_gradient", 1}, run);
                        }),
                        {"got full_gradient_norm, iteration, round, seconds, train_loss, train_set_accuracy"});
}

// With one degree of freedom P(|T| ≤ t) = (2/π) atan t, with two t/√(2 + t²). The others are from printed tables.
TEST(Student, HasTheQuantilesOfTheTables) {
  EXPECT_NEAR(student_95(1), std::tan(0.475 * std::acos(-1.0)), 1e-9);
  EXPECT_NEAR(student_95(2), 0.95 * std::sqrt(2 / (1 - 0.95 * 0.95)), 1e-9);
  const std::pair<int, double> rows[] = {{3, 3.182}, {4, 2.776}, {5, 2.571}, {9, 2.262}, {10, 2.228}, {30, 2.042}};
  for (const auto& [freedom, t] : rows) EXPECT_NEAR(student_95(freedom), t, 5e-4) << freedom;
  EXPECT_NEAR(student_95(100000), 1.95996, 1e-4);
}

// Two seeds each: 90 and 110 rounds with 2 clients, 45 and 55 with 4. Both means have a relative error of 0.1, so that of
// the ratio 2 is √0.02 with (0.02)²/(2 · 0.01²) = 2 degrees of freedom.
TEST(SpeedUps, HaveTheIntervalsOfTheirSeeds) {
  const auto groups = speed_ups({"train_loss", 0}, {falling("a", 2, 4, 90, 1), falling("b", 2, 4, 110, 2),
                                                    falling("c", 4, 4, 45, 1), falling("d", 4, 4, 55, 2)});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].runs, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(groups[1].reached, 2u);
  EXPECT_DOUBLE_EQ(groups[0].rounds.mean, 100);
  EXPECT_NEAR(groups[0].rounds.low, 100 - 12.7062 * 10, 1e-3);  // the mean's error is 10
  EXPECT_DOUBLE_EQ(groups[0].rounds.ratio, 1);
  EXPECT_TRUE(std::isnan(groups[0].rounds.ratio_low));
  EXPECT_DOUBLE_EQ(groups[1].rounds.ratio, 2);
  EXPECT_NEAR(groups[1].rounds.ratio_low, 2 * std::exp(-4.30265 * std::sqrt(0.02)), 1e-4);
  EXPECT_NEAR(groups[1].rounds.ratio_high, 2 * std::exp(4.30265 * std::sqrt(0.02)), 1e-4);
  for (const SpeedUp* s : {&groups[1].rounds, &groups[1].iterations, &groups[1].seconds}) EXPECT_DOUBLE_EQ(s->ideal, 2);
  EXPECT_DOUBLE_EQ(groups[1].iterations.mean, 200);
  EXPECT_DOUBLE_EQ(groups[1].interval, 4);
}

// Four times the interval with a quarter of the rounds: as many steps. Nothing is said of ideal seconds.
TEST(SpeedUps, KnowWhatAnIntervalSaves) {
  const auto groups = speed_ups({"train_loss", 0}, {falling("a", 2, 1, 80, 1), falling("b", 2, 4, 20, 1, 2)});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_DOUBLE_EQ(groups[1].rounds.ratio, 4);
  EXPECT_DOUBLE_EQ(groups[1].rounds.ideal, 4);
  EXPECT_DOUBLE_EQ(groups[1].iterations.ratio, 1);
  EXPECT_DOUBLE_EQ(groups[1].iterations.ideal, 1);
  EXPECT_DOUBLE_EQ(groups[1].seconds.ratio, 2);
  EXPECT_TRUE(std::isnan(groups[1].seconds.ideal));
  EXPECT_TRUE(std::isnan(groups[1].rounds.ratio_low)) << "one seed has no interval";
}

TEST(SpeedUps, TellTheRunsThatDidNotArrive) {
  auto late = falling("late", 2, 4, 50, 2);
  late.rounds.resize(30);
  const RunTarget target{"train_loss", 0};
  const auto groups = speed_ups(target, {falling("early", 2, 4, 50, 1), late, falling("never", 8, 4, 9, 1)});
  EXPECT_EQ(groups[0].reached, 1u);
  EXPECT_DOUBLE_EQ(groups[0].rounds.mean, 50);
  const std::string text = target_text(target, groups, 100);
  test::expect_mentions(text, {"To train_loss = 0", "early: 1 of 2 runs did not reach it", "1 of 2", "Speed-up over early"});
  const json j = target_json(target, speed_ups({"train_loss", -1}, {late}));
  EXPECT_EQ(j["groups"][0]["reached"], 0);
  EXPECT_TRUE(j["groups"][0]["rounds"]["mean"].is_null());
}

// Two runs of one seed, on 1 and on 4 workers, were one row of two seeds, and so were runs on other data. A `seed` of
// another table than [run] was no setting.
TEST(SpeedUps, AreOfRunsThatDifferInTheirSeedOnly) {
  const RunTarget target{"train_loss", 0};
  auto one = falling("one", 2, 4, 10, 1, 4), four = falling("four", 2, 4, 10, 1, 1);
  one.summary["workers"] = 1, four.summary["workers"] = 4;
  const auto workers = speed_ups(target, {one, four});
  ASSERT_EQ(workers.size(), 2u);
  EXPECT_EQ(workers[0].runs, std::vector<std::string>{"one"});
  EXPECT_DOUBLE_EQ(workers[1].seconds.ratio, 4);
  EXPECT_TRUE(std::isnan(workers[1].seconds.ratio_low)) << "one seed has no interval";
  auto other = falling("other", 2, 4, 10, 2);
  one.data = "11", other.data = "12";
  EXPECT_EQ(speed_ups(target, {one, other}).size(), 2u);
  one = falling("one", 2, 4, 10, 1), other = falling("other", 2, 4, 10, 2);
  EXPECT_EQ(speed_ups(target, {one, other}).size(), 1u);
  one.recipe += "[objective]\nseed = 3\n", other.recipe += "[objective]\nseed = 4\n";
  EXPECT_EQ(speed_ups(target, {one, other}).size(), 2u);
  EXPECT_EQ(speed_ups(target, {one, one}).size(), 2u) << "one folder, given twice";
}

TEST(SpeedUps, CountTheClientsOfARound) {
  auto some = falling("some", 8, 4, 10, 1);
  some.summary["participating"] = 3;
  EXPECT_EQ(speed_ups({"train_loss", 0}, {some}).front().clients, 3);
}

}  // namespace
}  // namespace tacet::report_test::time_to_target
