// The theorems' plans against numbers derived by hand from the papers' formulas.
#include "analysis/theory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tacet/error.h"
#include "tacet/random.h"

namespace tacet {
namespace {

constexpr double A28 = 1.0182880618040153, B28 = 1.0180716396106506;  // c = 1/28: B = (e^c − 1)/c, A = 1 + e^c − B
constexpr double A14 = 1.0374614006881537;                            // c = 1/14

ProblemConstants example() {
  return {.L0 = 1, .L1 = 0.5, .sigma = 1, .kappa = 1, .delta = 2, .clients = 4, .epsilon = 0.05};
}

const SideCondition& binding(const TheoremPlan& plan) { return plan.conditions.at(plan.binding); }

TEST(Differing, HasTheNumbersOfItsTheorem) {
  const TheoremPlan plan = plan_differing(example());
  EXPECT_TRUE(plan.feasible);
  EXPECT_NEAR(plan.A, A28, 1e-15);
  EXPECT_NEAR(plan.B, B28, 1e-15);
  // 560·A·L₀·Δ(σ+κ)²/(Nε⁴) = 560·A·1·2·4/(4·0.05⁴) = 1.792·10⁸·A
  EXPECT_NEAR(plan.iterations / 182477220.6752795, 1, 1e-12);
  EXPECT_TRUE(plan.iterations_exact);
  EXPECT_NEAR(plan.gamma, 4 * 0.05 / (28 * 2) * 0.05 / A28, 1e-18);  // ε/(AL₀) = 0.0491 is below 1/(BL₁) = 1.96
  EXPECT_NEAR(plan.gamma / plan.eta, 5 * 2, 1e-12);
  EXPECT_DOUBLE_EQ(plan.interval_limit, 2.5);
  EXPECT_EQ(plan.interval, 2);
  EXPECT_NEAR(plan.rounds / (182477220.6752795 / 2), 1, 1e-12);
  EXPECT_DOUBLE_EQ(plan.bound, 0.2);
}

// The proof needs 4Δ/(ηε T) ≤ ε, which is where 560 comes from.
TEST(Differing, LengthAndStepMakeTheFirstTermOfTheProofEpsilon) {
  const ProblemConstants p = example();
  const TheoremPlan plan = plan_differing(p);
  EXPECT_NEAR(4 * p.delta / (plan.eta * p.epsilon * plan.iterations), p.epsilon, 1e-12);
}

TEST(Similar, HasTheNumbersOfItsTheorem) {
  ProblemConstants p = example();
  p.sigma = 2, p.c_min = 0.25;  // c_min ≤ B²/4, so c = 1/28
  const TheoremPlan plan = plan_similar(p);
  EXPECT_TRUE(plan.feasible);
  EXPECT_NEAR(plan.A, A28, 1e-15);
  EXPECT_NEAR(plan.interval_limit, 20, 1e-12);  // √4·2/(4·0.05)
  EXPECT_EQ(plan.interval, 20);
  EXPECT_NEAR(plan.gamma, 0.25 * 4 * 0.05 / (28 * 2) * 0.05 / A28, 1e-18);
  EXPECT_NEAR(plan.gamma / plan.eta, 10, 1e-12);
  EXPECT_NEAR(plan.iterations, 320000, 1e-6);  // 2·1·4/(4·0.05⁴)
  EXPECT_FALSE(plan.iterations_exact);
  EXPECT_NEAR(plan.rounds, 16000, 1e-6);
  EXPECT_DOUBLE_EQ(plan.bound, 0.45);
}

TEST(Similar, TakesTheWiderNeighbourhoodWhereTheNarrowOneIsLeft) {
  const TheoremPlan plan = plan_similar(example());  // c_min = 1 > B²/4
  EXPECT_DOUBLE_EQ(plan.c, 1.0 / 14);
  EXPECT_NEAR(plan.A, A14, 1e-15);
  EXPECT_TRUE(plan.feasible);
}

TEST(Plans, KnowHowFarEpsilonGoes) {
  ProblemConstants p = example();
  p.L0 = 1, p.L1 = 8, p.clients = 1, p.epsilon = 0.1;
  const TheoremPlan plan = plan_differing(p);
  EXPECT_NEAR(plan.conditions.at(1).limit, A28 / (8 * B28), 1e-12);
  EXPECT_TRUE(plan.feasible);
  p.epsilon = 0.05, p.L1 = 0;  // an L-smooth function: nothing of L₁ binds
  EXPECT_TRUE(std::isinf(plan_differing(p).conditions.at(1).limit));
  EXPECT_TRUE(plan_differing(p).feasible);
}

TEST(Plans, NameWhatBindsAndTheNearestValue) {
  ProblemConstants p = example();
  p.epsilon = 0.2, p.clients = 1;
  EXPECT_EQ(binding(plan_similar(p)).text, "ε ≤ 0.1");
  EXPECT_EQ(binding(plan_similar(p)).nearest, "epsilon = 0.1");
  EXPECT_FALSE(plan_similar(p).feasible);

  p = example(), p.sigma = 0.4;
  EXPECT_EQ(binding(plan_similar(p)).text, "σ ≥ 1");
  EXPECT_EQ(binding(plan_similar(p)).nearest, "sigma = 1");
  EXPECT_TRUE(plan_differing(p).feasible);  // σ + κ = 1.4

  p = example(), p.clients = 100;  // 1/(2Nε) = 0.1: no I; N ≤ 10 allows I = 1
  EXPECT_EQ(binding(plan_differing(p)).text, "I ≤ 1/(2Nε)");
  EXPECT_EQ(binding(plan_differing(p)).nearest, "clients = 10");
  p.clients = 10;
  EXPECT_TRUE(plan_differing(p).feasible);
  p.clients = 11;
  EXPECT_FALSE(plan_differing(p).feasible);

  p = example(), p.L1 = 50;  // AL₀/(BL₁) = 0.02: ε is too large by 2.5, N by 3.6
  EXPECT_EQ(binding(plan_differing(p)).text, "N ≤ 14AL₀/(5BL₁ε)");
  EXPECT_EQ(binding(plan_differing(p)).nearest, "clients = 1");
  EXPECT_EQ(plan_differing(p).conditions.at(1).nearest.substr(0, 12), "epsilon = 0.");
}

TEST(Plans, CheckAnIntervalThatIsAskedFor) {
  ProblemConstants p = example();
  p.interval = 2;
  EXPECT_TRUE(plan_differing(p).feasible);
  p.interval = 8;
  const TheoremPlan plan = plan_differing(p);
  EXPECT_FALSE(plan.feasible);
  EXPECT_EQ(binding(plan).nearest, "interval = 2");
}

// Where the theorem's own conditions hold, so do the lemmas'. Every corner of a grid is tried.
TEST(Plans, TheConditionsOfTheLemmasFollow) {
  int feasible = 0;
  for (const double L1 : {0.0, 0.1, 1.0, 10.0})
    for (const double sigma : {1.0, 3.0, 20.0})
      for (const double c_min : {0.01, 0.26, 1.0})
        for (const int N : {1, 2, 5, 10})
          for (const double epsilon : {0.001, 0.05, 0.1}) {
            const ProblemConstants p{
                .L0 = 1, .L1 = L1, .sigma = sigma, .delta = 1, .clients = N, .epsilon = epsilon, .c_min = c_min};
            for (const TheoremPlan& plan : {plan_similar(p), plan_differing(p)}) {
              bool given = true, follows = true;
              for (const SideCondition& s : plan.conditions) (s.follows ? follows : given) &= s.holds();
              EXPECT_TRUE(!given || follows)
                  << plan.name << " " << L1 << " " << sigma << " " << c_min << " " << N << " " << epsilon;
              feasible += given;
            }
          }
  EXPECT_GT(feasible, 100);
}

// Local clipping on e^x + e^−x, which is (2, 1)-smooth, with noise ±1 from x = 0.3: the plan's η, γ, I and T.
TEST(Plans, ARunThatObeysThePlanMeetsItsBound) {
  const double x0 = 0.3;
  const ProblemConstants p{.L0 = 2, .L1 = 1, .sigma = 1, .delta = 2 * std::cosh(x0) - 2, .clients = 2, .epsilon = 0.1};
  const TheoremPlan plan = plan_differing(p);
  ASSERT_TRUE(plan.feasible);
  EXPECT_EQ(plan.interval, 2);
  EXPECT_GT(2 * std::sinh(x0), plan.bound);  // it does not begin where it has to arrive
  Stream noise(1, 0, Purpose::gradient_noise, 0, 0);
  double x = x0, y[2] = {x0, x0}, sum = 0;
  const auto T = static_cast<int64_t>(std::ceil(plan.iterations));
  for (int64_t t = 0; t < T; ++t) {
    for (double& own : y) {
      const double g = 2 * std::sinh(own) + (noise.bits() & 1 ? 1 : -1);
      own -= std::min(plan.eta, plan.gamma / std::abs(g)) * g;
    }
    x = (y[0] + y[1]) / 2;
    sum += std::abs(2 * std::sinh(x));
    if ((t + 1) % plan.interval == 0) y[0] = y[1] = x;
  }
  EXPECT_LE(sum / static_cast<double>(T), plan.bound);
}

TEST(Plans, RefuseConstantsThatNoProblemHas) {
  const auto refused = [](auto change) {
    ProblemConstants p = example();
    change(p);
    EXPECT_THROW(plan_similar(p), UserError);
    EXPECT_THROW(complexity_orders(p), UserError);
  };
  refused([](auto& p) { p.L0 = 0; });
  refused([](auto& p) { p.L1 = -1; });
  refused([](auto& p) { p.sigma = 0; });
  refused([](auto& p) { p.kappa = -0.1; });
  refused([](auto& p) { p.delta = -2; });
  refused([](auto& p) { p.epsilon = std::nan(""); });
  refused([](auto& p) { p.clients = 0; });
  refused([](auto& p) { p.c_min = 1.5; });
  refused([](auto& p) { p.interval = 0; });
  refused([](auto& p) { p.participating = 5; });
}

TEST(Orders, AreTheRowsOfTheTable) {
  ProblemConstants p{
      .L0 = 2, .L1 = 1, .sigma = 3, .kappa = 4, .delta = 5, .clients = 10, .epsilon = 0.1, .M = 6, .participating = 2};
  const auto rows = complexity_orders(p);
  ASSERT_EQ(rows.size(), 8U);
  const auto row = [&](const std::string& name) {
    for (const ComplexityOrder& r : rows)
      if (r.method == name) return r;
    return ComplexityOrder{};
  };
  EXPECT_NEAR(*row("SGD").iterations, 5 * 8 * (100 + 90000), 1e-3);
  EXPECT_NEAR(*row("clipped SGD").iterations, 62.0 * 62 * 1e4, 1e-3);  // 5 + 5·9 + 3·4
  EXPECT_NEAR(*row("clipping framework").iterations, 900000, 1e-3);    // 5·2·9/10⁻⁴
  EXPECT_NEAR(*row("naive parallel").rounds, 90000, 1e-3);
  EXPECT_NEAR(*row("CELGC, similar").iterations, 90000, 1e-3);
  EXPECT_NEAR(*row("CELGC, similar").rounds, 30000, 1e-3);         // 5·2·3/10⁻³
  EXPECT_NEAR(*row("CELGC, differing").iterations, 490000, 1e-3);  // 5·2·49/(10·10⁻⁴)
  EXPECT_NEAR(*row("CELGC, differing").rounds, 490000, 1e-3);
  EXPECT_NEAR(*row("EPISODE").rounds, 135000, 1e-3);        // 5·(2 + 7)·3/10⁻³
  EXPECT_NEAR(*row("EPISODE++").iterations, 450000, 1e-3);  // S = 2
  EXPECT_FALSE(row("SGD").rounds);
  // A loss in another unit, ten times as large, changes no number of steps or rounds.
  ProblemConstants large{
      .L0 = 20, .L1 = 1, .sigma = 30, .kappa = 40, .delta = 50, .clients = 10, .epsilon = 1, .M = 60, .participating = 2};
  for (const ComplexityOrder& r : complexity_orders(large)) {
    if (r.method == "clipped SGD" || r.method == "CELGC, differing") continue;  // orders for a gradient without a unit
    EXPECT_NEAR(r.iterations.value_or(0), row(r.method).iterations.value_or(0), 1e-3) << r.method;
    EXPECT_NEAR(r.rounds.value_or(0), row(r.method).rounds.value_or(0), 1e-3) << r.method;
  }
  p.M.reset();
  EXPECT_FALSE(complexity_orders(p)[0].iterations);
}

}  // namespace
}  // namespace tacet
