// The rule by which I grows, against closed forms, and the keys that go with interval = "auto".
#include "engine/auto_interval.h"

#include <gtest/gtest.h>

#include "tacet/algorithm.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

// Steps of 1 s and exchanges of 4 s: 1/(1 + 4/I) ≥ 0.95 needs I ≥ 76, and beside steps 4/I ≤ 1/0.95 needs I ≥ 3.8.
TEST(AutoInterval, IsTheSmallestWithTheShareOfTheSpeed) {
  const IntervalCosts costs{1, 4};
  EXPECT_EQ(least_interval(costs, 0.95, false), 76);
  EXPECT_EQ(least_interval(costs, 0.95, true), 4);
  EXPECT_EQ(least_interval(costs, 0.5, false), 4);
  EXPECT_EQ(least_interval({1, 0}, 0.95, false), 1);
  for (const double share : {0.5, 0.8, 0.95})
    for (const double e : {0.3, 1.0, 7.7}) {
      const auto I = static_cast<double>(least_interval({0.25, e}, share, false));
      const auto speed = [&](double steps) { return 0.25 / (0.25 + e / steps); };
      EXPECT_GE(speed(I), share - 1e-9) << e;
      EXPECT_TRUE(I == 1 || speed(I - 1) < share) << e;
    }
}

TEST(AutoInterval, IsDecidedAtRoundsThatDouble) {
  std::vector<int64_t> rounds;
  for (int64_t r = 0; r <= 200; ++r)
    if (decides_after(r)) rounds.push_back(r);
  EXPECT_EQ(rounds, (std::vector<int64_t>{8, 16, 32, 64, 128}));
}

TEST(AutoInterval, GrowsFourfoldAtMostAndNeverShrinks) {
  IntervalOptions o;
  o.fixed.reset();
  const IntervalCosts slow{1, 4}, fast{1, 0.1};      // they want 76 and 2
  EXPECT_EQ(next_interval(o, 1, slow, false), 4);    // not 76 at once
  EXPECT_EQ(next_interval(o, 16, slow, false), 64);  // interval_max
  EXPECT_EQ(next_interval(o, 1, slow, true), 4);     // all that is wanted
  EXPECT_EQ(next_interval(o, 16, fast, false), 16);  // as it is
  EXPECT_EQ(next_interval(o, 1, fast, false), 2);    // 0.95/0.05 · 0.1 = 1.9
  EXPECT_EQ(next_interval(o, 3, {0, 1}, false), 3);  // nobody took a step
  EXPECT_EQ(next_interval(o, 1000000000, slow, false), 1000000000);
}

TEST(AutoInterval, IsReadFromTheRecipesValues) {
  Values values;
  EXPECT_EQ(interval_options(values).fixed, 1);  // a method without an interval
  values.set("interval", int64_t{5});
  EXPECT_EQ(interval_options(values).fixed, 5);
  values.set("interval", std::string("auto"));
  values.set("interval_min", int64_t{2});
  const IntervalOptions measured = interval_options(values);
  EXPECT_FALSE(measured.fixed);
  EXPECT_EQ(measured.least, 2);
  EXPECT_EQ(measured.most, 64);
  EXPECT_EQ(measured.share, 0.95);
}

TEST(AutoInterval, IsForMethodsWhoseMessagesGetFewer) {
  for (const char* name : {"celgc", "celgc-overlap", "episode", "scaffnew", "scaffold", "diloco", "minibatch-clip"})
    EXPECT_TRUE(saves_messages(find_algorithm(name))) << name;
  for (const char* name : {"naive-clip", "adam", "clip21", "sgd-clip"})
    EXPECT_FALSE(saves_messages(find_algorithm(name))) << name;
  for (const AlgorithmInfo& m : algorithms()) {
    const Option* interval = find_option(m.options, "interval");
    EXPECT_EQ(interval && !complaint(*interval, std::string("auto")), saves_messages(m)) << m.name;
    EXPECT_EQ(find_option(m.options, "interval_share") != nullptr, saves_messages(m)) << m.name;
  }
}

TEST(AutoInterval, AWordInPlaceOfAnIntegerIsDescribedAndComplainedAbout) {
  const Option& o = *find_option(find_algorithm("celgc").options, "interval");
  EXPECT_EQ(describe(o), "integer >= 1 and <= 1000000000, or \"auto\", default 1");
  EXPECT_EQ(complaint(o, std::string("atuo")), "must be an integer, or \"auto\", got the string \"atuo\"");
  EXPECT_EQ(complaint(o, int64_t{0}), "must be >= 1 and <= 1000000000, or \"auto\", got 0");
  EXPECT_FALSE(complaint(o, int64_t{7}));
}

}  // namespace
}  // namespace tacet
