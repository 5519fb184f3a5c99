// The problem suite itself: gradients and Hessians against differences, constants against random points, noise against its
// moments.
#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "support/error_of.h"
#include "support/problems.h"
#include "tacet/registry.h"

namespace tacet::functions_test {
namespace {

using namespace test;

std::vector<double> random_point(Stream& s, int64_t d, double size) {
  std::vector<double> x;
  for (int64_t j = 0; j < d; ++j) x.push_back(size * s.normal());
  return x;
}
double length(const std::vector<double>& v) {
  double square = 0;
  for (double x : v) square += x * x;
  return std::sqrt(square);
}
// The spectral norm of a symmetric matrix: power iteration on its square, from a vector that is no eigenvector by chance.
double spectral_norm(const std::vector<double>& h, int64_t d) {
  std::vector<double> v;
  for (int64_t j = 0; j < d; ++j) v.push_back(1 + 0.1 * static_cast<double>(j));
  double size = 0;
  for (int k = 0; k < 300; ++k) {
    std::vector<double> w(static_cast<size_t>(d));
    for (int64_t a = 0; a < d; ++a)
      for (int64_t b = 0; b < d; ++b) w[a] += h[a * d + b] * v[b];
    size = length(w) / length(v);
    if (length(w) == 0) return 0;
    for (double& x : w) x /= length(w);
    v = w;
  }
  return size;
}

struct EveryFunction : testing::TestWithParam<std::string> {
  // Clients that disagree, wherever the problem lets them.
  Problem make() const {
    test::Given more;
    for (const Option& o : find_model(GetParam()).options) {
      if (o.name == "heterogeneity") more.emplace_back("heterogeneity", 0.7);
      if (o.name == "dimension") more.emplace_back("dimension", int64_t{4});
    }
    return problem(GetParam(), natural_clients(GetParam()), more);
  }
};

TEST_P(EveryFunction, GradientsAndHessiansAreThoseOfTheValues) {
  const Problem p = make();
  Stream s(3, 0, Purpose::shuffle, 0, 0);
  const int64_t d = p.dimension;
  for (const Function& f : p.f)
    for (int trial = 0; trial < 10; ++trial) {
      const auto x = random_point(s, d, 1.5);
      std::vector<double> g(static_cast<size_t>(d)), h(static_cast<size_t>(d * d)), up = g, down = g;
      f.gradient(x, g);
      f.hessian(x, h);
      for (int64_t j = 0; j < d; ++j) {
        const double step = 1e-5;
        auto left = x, right = x;
        left[j] -= step;
        right[j] += step;
        EXPECT_NEAR(g[j], (f.value(right) - f.value(left)) / (2 * step), 1e-5 * (1 + length(g)));
        f.gradient(left, down);
        f.gradient(right, up);
        for (int64_t k = 0; k < d; ++k)
          EXPECT_NEAR(h[j * d + k], (up[k] - down[k]) / (2 * step), 1e-5 * (1 + spectral_norm(h, d)));
      }
    }
}

TEST_P(EveryFunction, IsAsSmoothAndAsHeterogeneousAsItSays) {
  const Problem p = make();
  Stream s(4, 0, Purpose::shuffle, 0, 0);
  const int64_t d = p.dimension;
  for (int trial = 0; trial < 300; ++trial) {
    const auto x = random_point(s, d, 0.02 * trial);
    const auto mean = gradient(p, x);
    for (const Function& f : p.f) {
      std::vector<double> g(static_cast<size_t>(d)), h(static_cast<size_t>(d * d));
      f.gradient(x, g);
      f.hessian(x, h);
      EXPECT_LE(spectral_norm(h, d), (p.L0 + p.L1 * length(g)) * (1 + 1e-9)) << trial;
      for (int64_t j = 0; j < d; ++j) g[j] -= mean[j];
      EXPECT_LE(length(g), p.kappa * (1 + 1e-9)) << trial;
    }
  }
}

TEST_P(EveryFunction, HasItsMinimumWhereItSays) {
  const Problem p = make();
  if (p.minimiser.empty()) return;  // no closed form
  EXPECT_NEAR(length(gradient(p, p.minimiser)), 0, 1e-12);
  Stream s(5, 0, Purpose::shuffle, 0, 0);
  for (int trial = 0; trial < 100; ++trial)
    EXPECT_GE(value(p, random_point(s, p.dimension, 1)), value(p, p.minimiser) - 1e-12);
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const ModelInfo& e : functions()) all.push_back(e.name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Functions, EveryFunction, testing::ValuesIn(names()), [](const auto& param_info) {
  std::string name = param_info.param;
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
});

// x⁴ is (12, 3)-smooth and e^{ax} + e^{−ax} is (2a², a)-smooth; neither is L-smooth: the Hessian outgrows any constant.
TEST(Functions, RelaxedSmoothOnesAreNotSmooth) {
  for (const char* name : {"power4", "exponential"}) {
    const Problem p = problem(name, 1, {{"dimension", int64_t{1}}});
    std::vector<double> h(1);
    p.f[0].hessian(std::vector<double>{20}, h);
    EXPECT_GT(h[0], 100 * p.L0) << name;
  }
  EXPECT_EQ(problem("power4", 1).L0, 12);
  EXPECT_EQ(problem("power4", 1).L1, 3);
  EXPECT_EQ(problem("exponential", 1, {{"rate", 3.0}}).L1, 3);
}

// Slopes 0, 0 and 3 are 1, 1 and 2 from their mean.
TEST(Functions, ShowKappaAsMeanAndAsMost) {
  Problem p;
  for (const double slope : {0.0, 0.0, 3.0})
    p.f.push_back({[slope](std::span<const double> x) { return slope * x[0]; },
                   [slope](std::span<const double>, std::span<double> g) { g[0] = slope; },
                   {}});
  p.start = {0};
  const auto objective = make_function_objective(p, {.kind = "none"}, 1);
  std::map<std::string, double> figures;
  for (const auto& [name, value] : objective->figures(objective->initial())) figures[name] = value;
  EXPECT_DOUBLE_EQ(figures.at("gradient_norm"), 1);
  EXPECT_DOUBLE_EQ(figures.at("kappa_mean"), 4.0 / 3);
  EXPECT_DOUBLE_EQ(figures.at("kappa_max"), 2);
}

TEST(Functions, APairNeedsTwoClients) {
  EXPECT_EQ(test::error_of([] { problem("stuck-pair", 3); }), "clients.count must be 2 for stuck-pair, got 3");
}

// Mean 0 and the variance that the kind implies, each within five standard errors of 200,000 draws.
//   gaussian truncated at 3σ: σ²(1 − 2·3φ(3)/(2Φ(3) − 1)) = 0.97334; uniform: 1/3; two-point: 1;
//   student with 3 degrees of freedom, density ~ (1 + t²/3)⁻², truncated at 3; t = √3 tan u, u to π/3:
//   ∫ t²(1 + t²/3)⁻² dt = 3√3 ∫ sin²u du = 3√3 (π/6 − √3/8) = 1.59571, ∫ (1 + t²/3)⁻² dt = √3 ∫ cos²u du =
//   √3 (π/6 + √3/8) = 1.28190, ratio 1.2448; three-point: 0.2·0.7² + 0.3·3.3² + 0.5·1.7² = 4.81.
TEST(Noise, HasTheMomentsOfItsKind) {
  const struct {
    const char* kind;
    double variance;
  } rows[] = {{"gaussian", 0.97334}, {"uniform", 1.0 / 3}, {"two-point", 1}, {"student", 1.2448}, {"three-point", 4.81}};
  for (const auto& row : rows) {
    const Noise noise{.kind = row.kind};
    Stream s(9, 0, Purpose::gradient_noise, 0, 0);
    const int n = 200000;
    double sum = 0, squares = 0, fourths = 0;
    for (int k = 0; k < n; ++k) {
      const double z = draw(noise, s);
      EXPECT_LE(std::abs(z), 3.3);
      sum += z;
      squares += z * z;
      fourths += z * z * z * z;
    }
    const double spread = std::sqrt((fourths / n - squares / n * squares / n) / n);
    EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(row.variance / n)) << row.kind;
    EXPECT_NEAR(squares / n, row.variance, 5 * spread + 1e-5) << row.kind;
  }
}

TEST(Noise, ABatchIsTheMeanOfItsDraws) {
  const Noise one{.kind = "uniform", .scale = 2}, batch{.kind = "uniform", .scale = 2, .batch = 4};
  Stream a(9, 0, Purpose::gradient_noise, 0, 0), b = a;
  double sum = 0;
  for (int k = 0; k < 4; ++k) sum += draw(one, a);
  EXPECT_DOUBLE_EQ(draw(batch, b), sum / 4);
}

}  // namespace
}  // namespace tacet::functions_test
