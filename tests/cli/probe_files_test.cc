// Tests of what probe.json says of findings made by hand. Nothing is probed here.
#include "cli/probe_command.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace tacet {
namespace {

// Returns the constant's entry.
nlohmann::json constant_of(const ProbeResult& r, const std::string& name) {
  const nlohmann::json all = nlohmann::json::parse(probe_json(r, 1));
  for (const nlohmann::json& c : all.at("constants"))
    if (c.at("name") == name) return c;
  return {};
}

// Findings of one layer whose pairs lie at (‖∇f‖, L̂) = (k, slope·k + start), k = 1 … 20.
ProbeResult findings(double slope, double start) {
  ProbeResult r;
  r.noise = NoiseFigures{};
  r.no_heterogeneity = r.no_curvature = "not looked at";
  for (int k = 1; k <= 20; ++k)
    r.points.push_back({.round = k, .gradient = static_cast<double>(k), .step = 1, .smoothness = slope * k + start});
  return r;
}

// L̂ = 2‖∇f‖ + 3 is covered by L₀ = 3, and L̂ = 2‖∇f‖ − 1 by L₀ = −1, which is none.
TEST(ProbeFiles, HaveNoLZeroWhereEveryPointIsBelowTheSlopeAlone) {
  EXPECT_NEAR(constant_of(findings(2, 3), "L0").at("value").get<double>(), 3, 1e-9);
  const nlohmann::json none = constant_of(findings(2, -1), "L0");
  EXPECT_FALSE(none.contains("value")) << none;
  EXPECT_EQ(none.at("missing").get<std::string>(), "every point is below L₁‖∇f‖ alone: give --L0");
  EXPECT_NEAR(constant_of(findings(2, -1), "L1").at("value").get<double>(), 2, 1e-9);
}

// No gradient is as long as 5 and clipped, so that all of the mean is kept.
TEST(ProbeFiles, TellThatCMinIsOfBaseRates) {
  ProbeResult r = findings(2, 3);
  for (int k = 0; k < 40; ++k) r.noise->along.push_back(1 + k / 40.0);
  r.noise->gradient_norms = r.noise->along;
  r.clip_threshold = 5;
  const nlohmann::json c = constant_of(r, "c_min");
  EXPECT_EQ(c.at("value").get<double>(), 1);
  EXPECT_NE(c.at("what").get<std::string>().find("base rates"), std::string::npos) << c;
  r.clip_threshold.reset();
  r.no_clip_threshold = "the recipe clips by layer";
  EXPECT_EQ(constant_of(r, "c_min").at("missing").get<std::string>(), "the recipe clips by layer");
}

}  // namespace
}  // namespace tacet
