// Schedules and the file-backed client state.
#include "engine/schedule.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/temp_folder.h"
#include "tacet/error.h"
#include "tacet/recipe.h"
#include "train/client_state.h"

namespace tacet {
namespace {

Schedule schedule(const std::string& lines) {
  const Recipe r = parse_recipe(
      "[data]\nname = \"noise\"\n[model]\nname = \"quadratic\"\n[algorithm]\nname = \"celgc\"\neta = 0.8\ngamma = 0.4\n"
      "[clients]\ncount = 4\n[schedule]\n" +
          lines,
      "schedule.toml");
  return make_schedule(r.schedule, r.algorithm, 4);
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
  const Schedule s = schedule("epochs = 9\nmilestones = [2]\nscale_gamma = false");
  EXPECT_DOUBLE_EQ(s.at(3, 0).eta, 0.08);
  EXPECT_DOUBLE_EQ(s.at(3, 0).gamma, 0.4);
}

// Half a cosine from the warm-up's end at 2 to epoch 10: at 2 all of η, half way (6) the mean of 1 and 0.1, at the end 0.1.
TEST(Schedule, CosineFallsFromTheWarmUpsEndToTheRunsEnd) {
  const Schedule s = schedule("epochs = 10\nwarmup = 2\nwarmup_from = 0.5\ncosine = true\ncosine_to = 0.1");
  EXPECT_DOUBLE_EQ(s.at(0, 0).eta, 0.4);
  EXPECT_DOUBLE_EQ(s.at(2, 0).eta, 0.8);
  EXPECT_NEAR(s.at(6, 0).eta, 0.8 * 0.55, 1e-12);
  EXPECT_NEAR(s.at(10, 0).eta, 0.08, 1e-12);
  EXPECT_NEAR(s.at(11, 0).gamma, 0.04, 1e-12);
}

TEST(Schedule, ACosineCountsRoundsWhenAsked) {
  const Schedule s = schedule("rounds = 100\nunit = \"rounds\"\nmilestones = [50]\ncosine = true");
  EXPECT_DOUBLE_EQ(s.at(77, 0).eta, 0.8);
  EXPECT_NEAR(s.at(0, 50).eta, 0.1 * 0.8 / 2, 1e-12);
}

TEST(Schedule, ACosineNeedsItsEnd) {
  EXPECT_EQ(
      test::error_of([] { schedule("rounds = 100\ncosine = true"); }),
      "schedule.toml:13: schedule.cosine needs schedule.epochs, where it ends (schedule.unit = \"epochs\"), got nothing");
}

struct Spill : testing::Test {
  test::TempFolder temp;
  const std::string folder = temp.path();
};

// 100,000 clients with 1,000 floats each would be 400 MB: only those that are touched take room, and nothing stays behind.
TEST_F(Spill, VectorsAreZeroKeepWhatIsWrittenAndLeaveNoFile) {
  PerClient vectors;
  SpillClientState(folder, 0, 100000).clients("momentum", vectors);
  const Vec like = at::full({1000}, 3.0);
  vectors.put(99999, like);
  vectors.put(7, like * 2);
  EXPECT_EQ(vectors.all().at(99999).sum().item<float>(), 3000);
  EXPECT_EQ(vectors.all().at(7).sum().item<float>(), 6000);
  vectors.put(8, at::zeros({1000}));
  vectors.all().at(8).add_(1);
  EXPECT_EQ(vectors.all().at(7).sum().item<float>(), 6000);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(Spill, VectorsOutliveTheirTable) {
  Vec kept;
  {
    PerClient vectors;
    SpillClientState(folder, 0, 4).clients("momentum", vectors);
    vectors.put(2, at::ones({10}));
    kept = vectors.all().at(2);
  }
  EXPECT_EQ(kept.sum().item<float>(), 10);
}

TEST_F(Spill, AFolderThatCannotBeWrittenIsAnError) {
  PerClient vectors;
  SpillClientState("/proc/nowhere", 0, 4).clients("momentum", vectors);
  EXPECT_THROW(vectors.put(0, at::ones({10})), UserError);
}

}  // namespace
}  // namespace tacet
