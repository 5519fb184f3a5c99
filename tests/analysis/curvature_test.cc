// Curvature of functions whose Hessian is known: by its eigenvalues, or by numeric derivatives in double.
#include "analysis/curvature.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "problems/function_objective.h"
#include "support/error_of.h"

namespace tacet {
namespace {

using Numbers = std::vector<double>;
using Slope = std::function<void(std::span<const double> x, std::span<double> g)>;

// Returns the objective of one client with this gradient. Its values are not asked for.
std::unique_ptr<Objective> objective_with(int64_t d, const Slope& slope) {
  Problem p{.dimension = d, .start = Numbers(static_cast<size_t>(d), 1.0)};
  p.f.push_back({[](std::span<const double>) { return 0.0; }, slope, {}});
  return make_function_objective(p, {}, 1);
}

// Returns Q diag(values) Q with the reflection Q = I − 2 u uᵀ, u = (1, …, 1)/√d.
std::vector<Numbers> reflected(const Numbers& values) {
  const size_t d = values.size();
  const auto q = [&](size_t i, size_t j) { return (i == j ? 1.0 : 0.0) - 2.0 / static_cast<double>(d); };
  std::vector<Numbers> H(d, Numbers(d));
  for (size_t i = 0; i < d; ++i)
    for (size_t j = 0; j < d; ++j)
      for (size_t k = 0; k < d; ++k) H[i][j] += q(i, k) * values[k] * q(k, j);
  return H;
}

Slope times_matrix(const std::vector<Numbers>& H) {
  return [H](std::span<const double> x, std::span<double> g) {
    for (size_t i = 0; i < g.size(); ++i) {
      g[i] = 0;
      for (size_t j = 0; j < x.size(); ++j) g[i] += H[i][j] * x[j];
    }
  };
}

double mean_error(const Curvature& c) { return deviation(c.traces) / std::sqrt(static_cast<double>(c.traces.size())); }

TEST(Curvature, OfAQuadraticIsItsLargestEigenvalueWithItsSign) {
  const auto objective = objective_with(4, times_matrix(reflected({-5, 2, 1, 0.5})));
  const Curvature c = measure_curvature(*objective, at::full({4}, 1.0), {.units = {0}, .products = 400});
  EXPECT_TRUE(c.converged);
  EXPECT_NEAR(c.eigenvalue, -5, 0.01);
  EXPECT_LE(c.residual, 0.006);
  EXPECT_LT(c.step_change, 0.01);
  EXPECT_LT(c.rayleigh.size(), 40u);  // the other eigenvalues fall behind as (2/5)^k
  EXPECT_EQ(c.products, 400);
  EXPECT_NEAR(mean(c.traces), -1.5, 4 * mean_error(c));
  EXPECT_GT(mean_error(c), 0);
  const auto positive = objective_with(4, times_matrix(reflected({-2, 5, 1, 0.5})));
  EXPECT_NEAR(measure_curvature(*positive, at::full({4}, 1.0), {.units = {0}}).eigenvalue, 5, 0.01);
}

// Each sample of Hutchinson's is the trace itself where the Hessian is diagonal.
TEST(Curvature, OfADiagonalHessianHasItsTraceInEverySample) {
  const auto objective = objective_with(3, [](std::span<const double> x, std::span<double> g) {
    for (size_t j = 0; j < 3; ++j) g[j] = 4 * x[j] * x[j] * x[j];  // of x⁴: 12x²
  });
  const Curvature c = measure_curvature(*objective, at::tensor({2.0f, 1.0f, 0.5f}), {.units = {0}, .products = 60});
  EXPECT_NEAR(c.eigenvalue, 48, 0.05);
  ASSERT_GE(c.traces.size(), 30u);
  for (const double trace : c.traces) EXPECT_NEAR(trace, 48 + 12 + 3, 0.1);
  EXPECT_NEAR(c.gradient, std::sqrt(32.0 * 32 + 4 * 4 + 0.25), 1e-3);
}

TEST(Curvature, WithoutAnyIsZero) {
  const auto objective = objective_with(3, [](std::span<const double>, std::span<double> g) {
    for (double& v : g) v = 2;
  });
  const Curvature c = measure_curvature(*objective, at::full({3}, 1.0), {.units = {0}});
  EXPECT_EQ(c.eigenvalue, 0);
  for (const double trace : c.traces) EXPECT_EQ(trace, 0);
}

// Two layers, f = ½ mean_k (w·tanh(A s_k) − t_k)², A 3 × 2: nine parameters, all in double.
void two_layers(std::span<const double> x, std::span<double> g) {
  constexpr double samples[5][3] = {{1, 0.5, 0.3}, {-1, 0.2, -0.8}, {0.3, -1.2, 0.5}, {0.8, 0.9, 1.1}, {-0.4, -0.6, 0.1}};
  for (double& v : g) v = 0;
  for (const auto& s : samples) {
    double h[3], out = 0;
    for (size_t i = 0; i < 3; ++i) {
      h[i] = std::tanh(x[2 * i] * s[0] + x[2 * i + 1] * s[1]);
      out += x[6 + i] * h[i];
    }
    const double miss = (out - s[2]) / 5;
    for (size_t i = 0; i < 3; ++i) {
      const double back = miss * x[6 + i] * (1 - h[i] * h[i]);
      g[2 * i] += back * s[0], g[2 * i + 1] += back * s[1];
      g[6 + i] += miss * h[i];
    }
  }
}

TEST(Curvature, OfTwoLayersIsThatOfTheirNumericHessian) {
  Numbers x = {0.9, -0.4, 0.3, 1.1, -0.7, 0.6, 1.4, -0.8, 0.5};
  at::Tensor H = at::zeros({9, 9}, at::kDouble);
  for (size_t j = 0; j < 9; ++j) {
    constexpr double h = 1e-5;
    Numbers up = x, down = x, g(9), l(9);
    up[j] += h, down[j] -= h;
    two_layers(up, g);
    two_layers(down, l);
    for (size_t i = 0; i < 9; ++i) H[static_cast<int64_t>(i)][static_cast<int64_t>(j)] = (g[i] - l[i]) / (2 * h);
  }
  ASSERT_TRUE(at::allclose(H, H.t(), 0, 1e-8)) << "the test's own gradient is wrong";
  const at::Tensor values = at::linalg_eigvalsh(H);
  const double low = values[0].item<double>(), high = values[8].item<double>();
  const double largest = std::abs(low) > std::abs(high) ? low : high;
  const auto objective = objective_with(9, two_layers);
  const Vec point = at::tensor(at::ArrayRef<double>(x), at::kDouble).to(at::kFloat);
  const Curvature c = measure_curvature(*objective, point, {.units = {0}, .products = 600});
  EXPECT_NEAR(c.eigenvalue, largest, 0.005 * std::abs(largest) + c.residual);
  EXPECT_LT(c.residual, 0.05 * std::abs(largest));
  EXPECT_NEAR(mean(c.traces), H.trace().item<double>(), 4 * mean_error(c) + 1e-3);
}

TEST(Curvature, EndsWithItsTime) {
  const auto objective = objective_with(4, times_matrix(reflected({3, 2, 1, 0.5})));
  int left = 6;
  const auto time_left = [&] { return left-- > 0; };
  const Curvature c = measure_curvature(*objective, at::full({4}, 1.0), {.units = {0}, .time_left = time_left});
  EXPECT_LT(c.products, 10);
  EXPECT_GE(c.products, 2);
  EXPECT_EQ(test::error_of([&] {
              measure_curvature(*objective, at::full({4}, 1.0), {.units = {0}, .time_left = [] { return false; }});
            }),
            "no time is left for a product of the Hessian with a vector: give more --seconds");
}

}  // namespace
}  // namespace tacet
