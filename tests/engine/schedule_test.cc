// Schedules of η and γ: milestones, warm-up, cosine.
#include "engine/schedule.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace tacet {
namespace {

// Returns the schedule of 4 clients with η = 0.8 and γ = 0.4, the keys given and defaults for the others.
Schedule schedule(const std::vector<std::pair<std::string, Value>>& given) {
  Values keys, algorithm;
  for (const Option& o : options_of<ScheduleOptions>())
    if (o.fallback) keys.set(o.name, *o.fallback);
  for (const auto& [key, value] : given) keys.set(key, value);
  algorithm.set("eta", 0.8);
  algorithm.set("gamma", 0.4);
  return make_schedule(keys, algorithm, 4);
}

TEST(Schedule, MilestonesScaleBothRates) {
  Schedule s;
  s.base = {8, 2};
  s.milestones = {1, 3};
  s.factor = 0.5;
  EXPECT_EQ(s.at(0.99, 0).eta, 8);
  EXPECT_EQ(s.at(1, 0).eta, 4);
  EXPECT_EQ(s.at(1, 0).gamma, 1);
  EXPECT_EQ(s.at(3.5, 0).eta, 2);
}

// Warm-up from a quarter over two epochs: ¼ at 0, ¼ + ¾·½ = 0.625 at 1, 1 from 2 on. γ follows, so γ/η stays.
TEST(Schedule, WarmUpIsLinearAndKeepsTheThreshold) {
  Schedule s;
  s.base = {8, 2};
  s.warmup = 2;
  s.warmup_from = 0.25;
  EXPECT_EQ(s.at(0, 0).eta, 2);
  EXPECT_EQ(s.at(1, 0).eta, 5);
  EXPECT_EQ(s.at(1, 0).gamma, 1.25);
  EXPECT_EQ(s.at(9, 0).eta, 8);
}

TEST(Schedule, CountsRoundsWhenAsked) {
  Schedule s;
  s.base = {1, 1};
  s.milestones = {10};
  s.by_rounds = true;
  EXPECT_EQ(s.at(99, 9).eta, 1);
  EXPECT_DOUBLE_EQ(s.at(0, 10).eta, 0.1);
}

TEST(Schedule, GammaStaysWhenAsked) {
  const Schedule s = schedule({{"epochs", 9.0}, {"milestones", Numbers{2}}, {"scale_gamma", false}});
  EXPECT_DOUBLE_EQ(s.at(3, 0).eta, 0.08);
  EXPECT_DOUBLE_EQ(s.at(3, 0).gamma, 0.4);
}

// Half a cosine from the warm-up's end at 2 to epoch 10: at 2 all of η, half way (6) the mean of 1 and 0.1, at the end 0.1.
TEST(Schedule, CosineFallsFromTheWarmUpsEndToTheRunsEnd) {
  const Schedule s =
      schedule({{"epochs", 10.0}, {"warmup", 2.0}, {"warmup_from", 0.5}, {"cosine", true}, {"cosine_to", 0.1}});
  EXPECT_DOUBLE_EQ(s.at(0, 0).eta, 0.4);
  EXPECT_DOUBLE_EQ(s.at(2, 0).eta, 0.8);
  EXPECT_NEAR(s.at(6, 0).eta, 0.8 * 0.55, 1e-12);
  EXPECT_NEAR(s.at(10, 0).eta, 0.08, 1e-12);
  EXPECT_NEAR(s.at(11, 0).gamma, 0.04, 1e-12);
}

TEST(Schedule, ACosineCountsRoundsWhenAsked) {
  const Schedule s =
      schedule({{"rounds", int64_t{100}}, {"unit", std::string("rounds")}, {"milestones", Numbers{50}}, {"cosine", true}});
  EXPECT_DOUBLE_EQ(s.at(77, 0).eta, 0.8);
  EXPECT_NEAR(s.at(0, 50).eta, 0.1 * 0.8 / 2, 1e-12);
}

// The stretches of the ImageNet recipes: 1/8 of η to η in 5 epochs, tenths at 30, 60, 80 of 90, γ fixed.
TEST(Schedule, StagesAreTheRowsOfAPapersTable) {
  const Schedule s = schedule({{"epochs", 90.0},
                               {"milestones", Numbers{30, 60, 80}},
                               {"warmup", 5.0},
                               {"warmup_from", 0.125},
                               {"scale_gamma", false}});
  const std::vector<Stage> rows = stages(s, 90);
  ASSERT_EQ(rows.size(), 5u);
  const double from[] = {0, 5, 30, 60, 80, 90}, first[] = {0.1, 0.8, 0.08, 0.008, 0.0008};
  for (size_t k = 0; k < rows.size(); ++k) {
    EXPECT_EQ(rows[k].from, from[k]);
    EXPECT_EQ(rows[k].to, from[k + 1]);
    EXPECT_NEAR(rows[k].first.eta, first[k], 1e-15);
    EXPECT_NEAR(rows[k].last.eta, k == 0 ? 0.8 : first[k], 1e-15);
    EXPECT_EQ(rows[k].first.gamma, 0.4);
  }
}

// A row says what the schedule says at its ends and in its middle, also by rounds and where no end is known.
TEST(Schedule, StagesEndWhereTheRunEnds) {
  Schedule s = schedule({{"rounds", int64_t{100}}, {"unit", std::string("rounds")}, {"milestones", Numbers{50, 100, 200}}});
  const std::vector<Stage> rows = stages(s, 100);
  ASSERT_EQ(rows.size(), 2u) << "milestones at 100 and 200 are not reached";
  EXPECT_EQ(rows[1].to, 100);
  for (const Stage& row : rows) {
    EXPECT_EQ(row.first.eta, s.at(0, static_cast<int64_t>(row.from)).eta);
    EXPECT_EQ(row.last.eta, s.at(0, static_cast<int64_t>(row.to) - 1).eta);
  }
  EXPECT_EQ(stages(s, {}).size(), 4u);
  EXPECT_TRUE(std::isinf(stages(s, {}).back().to));
  const Schedule cosine = schedule({{"epochs", 10.0}, {"warmup", 2.0}, {"cosine", true}});
  ASSERT_EQ(stages(cosine, 10).size(), 2u);
  EXPECT_EQ(stages(cosine, 10)[1].first.eta, 0.8);
  EXPECT_NEAR(stages(cosine, 10)[1].last.eta, 0, 1e-15);
}

}  // namespace
}  // namespace tacet
