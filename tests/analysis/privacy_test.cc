// The accountant against closed forms, published values, and a program that integrates the definition.
#include "analysis/privacy.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "support/python_script.h"
#include "support/temp_folder.h"

namespace tacet::privacy_test {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

// ε by the conversion of Mironov, "Rényi Differential Privacy", 2017, Proposition 3, with which earlier papers count.
double earlier_epsilon(const NoisyRound& round, double rounds, double delta) {
  double best = infinite;
  for (int order = 2; order <= 64; ++order)
    best = std::min(best, rounds * renyi_divergence(round, order) - std::log(delta) / (order - 1));
  for (double order = 1.1; order < 10; order += 0.1)
    best = std::min(best, rounds * renyi_divergence(round, order) - std::log(delta) / (order - 1));
  return best;
}

double normal_tail(double x) { return std::erfc(x / std::sqrt(2.0)) / 2; }

// The smallest ε of T sums with noise z and everybody in them: Balle, Wang, "Improving the Gaussian Mechanism for
// Differential Privacy", ICML 2018, Theorem 8, with μ = √T/z: δ = Φ(μ/2 − ε/μ) − e^ε Φ(−μ/2 − ε/μ).
double exact_epsilon(double mu, double delta) {
  double low = 0, high = 1000;
  for (int k = 0; k < 200; ++k) {
    const double e = (low + high) / 2;
    const double at = normal_tail(e / mu - mu / 2) - std::exp(e) * normal_tail(e / mu + mu / 2);
    (at > delta ? low : high) = e;
  }
  return high;
}

TEST(Privacy, OfEverybodyIsTheGaussians) {
  for (const double z : {0.5, 1.0, 4.0})
    for (const double order : {1.5, 2.0, 17.0}) {
      EXPECT_DOUBLE_EQ(renyi_divergence({z, 1, ClientDraw::by_themselves}, order), order / (2 * z * z));
      // All but one client's data are equal; that one's can turn from +1 to −1.
      if (order == std::floor(order)) {
        EXPECT_DOUBLE_EQ(renyi_divergence({z, 1, ClientDraw::fixed_number}, order), 4 * order / (2 * z * z));
      }
    }
}

// Hardly any noise: the bound is that of everybody, and nothing takes long.
TEST(Privacy, OfHardlyAnyNoiseIsThatOfEverybody) {
  EXPECT_DOUBLE_EQ(renyi_divergence({0.01, 0.1}, 2), 1e4);
  EXPECT_LT(renyi_divergence({0.05, 0.1}, 2), 400);
  EXPECT_GT(renyi_divergence({0.05, 0.1}, 2), 390);
  EXPECT_GT(privacy_loss({1e-9, 0.1}, 10, 1e-5).epsilon, 1e9);
}

// (1 − q)^α (1 + q/(1 − q))^α with each power of the ratio's mean e^{k(k−1)/(2z²)}: eq. 3.3 of Mironov, Talwar, Zhang, 2019.
TEST(Privacy, OfAWholeOrderIsTheBinomialSum) {
  const double q = 0.1, z = 1.5;
  // Order 2: (1 − q)² + 2q(1 − q) + q² e^{1/z²}; order 3: … + 3q²(1 − q) e^{1/z²} + q³ e^{3/z²}.
  const double e1 = std::exp(1 / (z * z)), e3 = std::exp(3 / (z * z));
  EXPECT_NEAR(renyi_divergence({z, q}, 2), std::log(0.81 + 0.18 + 0.01 * e1), 1e-13);
  EXPECT_NEAR(renyi_divergence({z, q}, 3), std::log(0.729 + 0.243 + 0.027 * e1 + 0.001 * e3) / 2, 1e-13);
}

TEST(Privacy, AgreesWithAProgramThatIntegratesTheDefinition) {
  const test::TempFolder folder;
  const int code = test::run_python(PROJECT_FOLDER "/tests/analysis/privacy_witness.py", folder / "values");
  if (code == test::kNoPython) GTEST_SKIP() << "there is no /usr/bin/python3";
  ASSERT_EQ(code, 0);
  std::ifstream values(folder / "values");
  std::string kind;
  double q = 0, z = 0, order = 0, value = 0;
  int compared = 0;
  while (values >> kind >> q >> z >> order >> value) {
    SCOPED_TRACE(kind + " q " + std::to_string(q) + " z " + std::to_string(z) + " order " + std::to_string(order));
    const auto drawn = kind == "themselves" ? ClientDraw::by_themselves : ClientDraw::fixed_number;
    const double mine = renyi_divergence({z, q, drawn}, order);
    if (kind == "pair")
      EXPECT_GE(mine, value * (1 - 1e-9));
    else
      EXPECT_NEAR(mine, value, 1e-9 * value + 1e-12);
    ++compared;
  }
  EXPECT_EQ(compared, 7 * (9 + 5 + 4));
}

// Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, section 3.2: q = 0.01, σ = 4, δ = 10⁻⁵ and 10,000 steps
// give ε ≈ 1.26. Bu, Dong, Long, Su, "Deep Learning with Gaussian Differential Privacy", HDSR 2020, figure 4, by the moments
// accountant on 60,000 images in batches of 256: σ = 1.3 gives 1.34 after 20 epochs, σ = 0.7 gives 8.68 after 70.
TEST(Privacy, HasThePublishedValues) {
  const double q = 256.0 / 60000;
  EXPECT_NEAR(earlier_epsilon({4, 0.01}, 10000, 1e-5), 1.26, 0.005);
  EXPECT_NEAR(earlier_epsilon({1.3, q}, 20 / q, 1e-5), 1.34, 0.011);
  EXPECT_NEAR(earlier_epsilon({0.7, q}, 70 / q, 1e-5), 8.68, 0.005);
  // The conversion of privacy_loss() gives less for the same rounds.
  EXPECT_NEAR(privacy_loss({4, 0.01}, 10000, 1e-5).epsilon, 1.0355, 1e-3);
}

TEST(Privacy, IsNeverBelowTheExactOneAndNear) {
  for (const double z : {0.8, 2.0, 20.0})
    for (const int64_t rounds : {1, 30, 200})
      for (const double delta : {1e-3, 1e-6}) {
        const double exact = exact_epsilon(std::sqrt(static_cast<double>(rounds)) / z, delta);
        const double mine = privacy_loss({z, 1}, rounds, delta).epsilon;
        EXPECT_GE(mine, exact * (1 - 1e-9)) << z << " " << rounds << " " << delta;
        EXPECT_LT(mine, 1.25 * exact + 0.02) << z << " " << rounds << " " << delta;
      }
}

TEST(Privacy, GrowsWithRoundsAndShareAndFallsWithNoise) {
  for (const auto drawn : {ClientDraw::by_themselves, ClientDraw::fixed_number}) {
    const auto epsilon = [&](double z, double q, int64_t rounds) {
      return privacy_loss({z, q, drawn}, rounds, 1e-5).epsilon;
    };
    EXPECT_EQ(epsilon(1, 0.1, 0), 0);
    EXPECT_LT(epsilon(4, 0.01, 100), epsilon(4, 0.01, 1000));
    EXPECT_LT(epsilon(4, 0.01, 1000), epsilon(4, 0.1, 1000));
    EXPECT_LT(epsilon(4, 0.1, 1000), epsilon(4, 1, 1000));
    EXPECT_LT(epsilon(8, 0.01, 1000), epsilon(4, 0.01, 1000));
  }
  EXPECT_GT(privacy_loss({4, 0.01, ClientDraw::fixed_number}, 1000, 1e-5).epsilon,
            privacy_loss({4, 0.01}, 1000, 1e-5).epsilon);
}

}  // namespace
}  // namespace tacet::privacy_test
