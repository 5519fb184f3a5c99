// The words about what is not finite, by which a sweep knows a divergence.
#include "engine/non_finite.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "engine/divergence.h"

namespace tacet {
namespace {

constexpr Rates clipped = {0.1, 1}, unclipped = {0.1, std::numeric_limits<double>::infinity()};

bool diverged(Rates rates, const std::string& fault, bool at_start) {
  return tells_divergence(not_finite("loss", at_step(4, 0, 2), rates, fault, at_start).what());
}

TEST(Divergence, IsBlamedOnTheRates) {
  EXPECT_TRUE(diverged(clipped, "", false));
  EXPECT_TRUE(diverged(unclipped, "", false));
}

// A sweep took both for divergences, and did not run the point again when the data were mended.
TEST(Divergence, IsNoFaultOfTheDataOrOfTheStart) {
  EXPECT_FALSE(diverged(clipped, "training image 3 (counted from 0) has values that are not finite", false));
  EXPECT_FALSE(diverged(clipped, "", true));
  EXPECT_FALSE(tells_divergence(
      "run.non_finite: all 8 gradients were not finite and were skipped, so nothing was trained: " + lower_rates(clipped) +
      ", or look at the data and model.init"));
}

}  // namespace
}  // namespace tacet
