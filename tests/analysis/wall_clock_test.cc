// Seconds and bytes of an interval, counted by hand.
#include "analysis/wall_clock.h"

#include <gtest/gtest.h>

#include "tacet/error.h"

namespace tacet {
namespace {

ClusterCosts cluster() { return {.step_seconds = 1, .parameters = 1 << 20, .workers = 2, .bytes_per_second = 1 << 20}; }

ExchangePlan find(const std::vector<ExchangePlan>& plans, const std::string& message, bool overlap) {
  for (const ExchangePlan& plan : plans)
    if (plan.message == message && plan.overlap == overlap) return plan;
  throw std::runtime_error("no such way");
}

// docs/guide/networks.md: with P = 2, 4, 8 int8 takes a quarter, a half and 5/8 of f32's bytes, bf16 a half, 3/4 and 3/4.
TEST(MeanBytes, AreThoseOfTheMessages) {
  const int64_t d = 256000;
  const auto ratio = [&](const char* message, int P) { return mean_bytes(message, d, P) / mean_bytes("f32", d, P); };
  EXPECT_DOUBLE_EQ(mean_bytes("f32", d, 4), 6.0 * d);  // (P − 1)/P · 2 · 4 bytes
  EXPECT_DOUBLE_EQ(ratio("bf16", 2), 0.5);
  EXPECT_DOUBLE_EQ(ratio("bf16", 4), 0.75);
  EXPECT_DOUBLE_EQ(ratio("bf16", 8), 0.75);
  EXPECT_NEAR(ratio("int8", 2), 0.25, 0.005);
  EXPECT_NEAR(ratio("int8", 4), 0.5, 0.01);
  EXPECT_NEAR(ratio("int8", 8), 0.625, 0.005);
  EXPECT_DOUBLE_EQ(mean_bytes("int8", 257, 2), 257 + 2 * 4);  // two blocks
  EXPECT_DOUBLE_EQ(mean_bytes("f32", d, 1), 0);
  // 64 of each 4,096 values, in 24 words of places and 64 of floats; of a rest of 904 it is 14, in 6 and 14.
  EXPECT_DOUBLE_EQ(mean_bytes("topk", 4096 * 25, 2), 25 * 88 * 4);
  EXPECT_DOUBLE_EQ(mean_bytes("topk", 5000, 4), 3 * (88 + 20) * 4);
}

TEST(ExchangePlan, FindsTheSmallestIntervalOfNinetyFivePercent) {
  const auto plans = exchange_plans(cluster());
  const ExchangePlan f32 = find(plans, "f32", false);
  EXPECT_DOUBLE_EQ(f32.seconds, 4);  // 4 MiB at 1 MiB/s
  EXPECT_EQ(f32.interval, 76);       // 1/(1 + 4/I) ≥ 0.95: I ≥ 19 · 4
  EXPECT_NEAR(f32.speed(76), 0.95, 1e-12);
  EXPECT_LT(f32.speed(75), 0.95);
  EXPECT_DOUBLE_EQ(f32.seconds_a_step(4), 2);
  const ExchangePlan beside = find(plans, "f32", true);
  EXPECT_EQ(beside.interval, 4);  // 0.95 · 4 = 3.8 steps hide enough of it
  EXPECT_DOUBLE_EQ(beside.speed(4), 1);
  EXPECT_DOUBLE_EQ(beside.seconds_a_step(2), 2);
  EXPECT_EQ(find(plans, "bf16", false).interval, 38);
  EXPECT_DOUBLE_EQ(find(plans, "topk", false).bytes, 256 * 88 * 4);
  EXPECT_EQ(plans.size(), 8U);
}

TEST(ExchangePlan, CountsRoundTripsAndVectors) {
  ClusterCosts costs = cluster();
  costs.round_trip = 0.5, costs.vectors = 2;
  EXPECT_DOUBLE_EQ(find(exchange_plans(costs), "f32", false).seconds, 9);
  costs.workers = 1;
  EXPECT_EQ(find(exchange_plans(costs), "f32", false).interval, 1);
  EXPECT_DOUBLE_EQ(find(exchange_plans(costs), "f32", false).speed(1), 1);
}

TEST(ExchangePlan, RefusesCostsThatNoClusterHas) {
  const auto refused = [](auto change) {
    ClusterCosts costs = cluster();
    change(costs);
    EXPECT_THROW(exchange_plans(costs), UserError);
  };
  refused([](auto& c) { c.step_seconds = 0; });
  refused([](auto& c) { c.parameters = 0; });
  refused([](auto& c) { c.bytes_per_second = -1; });
  refused([](auto& c) { c.workers = 0; });
  refused([](auto& c) { c.round_trip = -1; });
}

}  // namespace
}  // namespace tacet
