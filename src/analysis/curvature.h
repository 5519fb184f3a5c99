// Curvature of f at a point by products of its Hessian with vectors: the eigenvalue that is largest by modulus, with its
// sign, and the trace. A product is a difference of two gradients, summed in double, so that a fused layer needs no second
// derivative.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "analysis/statistics.h"
#include "tacet/objective.h"

namespace tacet {

// Products H v at x over some units of the training set, as in an evaluation: nothing dropped, batch normalisation with its
// running statistics.
class HessianProduct {
 public:
  // Borrows objective and x, which must not be the objective's workspace.
  HessianProduct(Objective& objective, const Vec& x, std::vector<int> units);
  // Writes (∇f(x + h v) − ∇f(x − h v))/2h into `product`, which has d numbers. ‖v‖ = 1.
  void operator()(const Vec& v, double h, std::vector<double>& product);
  // Returns the h of a product: a thousandth of ‖x‖, or where x is 0 a thousandth.
  double step() const { return step_; }
  // Returns ‖∇f(x)‖ over the units.
  double gradient_norm();

 private:
  // Adds `factor` times the units' summed gradients at x + h v to the sum. Returns their count.
  double add(const Vec& v, double h, double factor, std::vector<double>& sum);

  Objective& objective_;
  const Vec x_;
  std::vector<int> units_;
  double step_;
};

struct CurvatureOptions {
  std::vector<int> units;  // of the training set
  int64_t products = 40;   // at most half of them for the eigenvalue, the rest for the trace
  uint64_t seed = 0;
  std::function<bool()> time_left = [] { return true; };  // false ends it with what there is
};

struct Curvature {
  int64_t products = 0;          // that were made
  double gradient = 0;           // ‖∇f(x)‖
  double step = 0;               // h of the differences
  double eigenvalue = 0;         // λ, the largest by modulus
  double residual = 0;           // ‖H v − λ v‖: some eigenvalue is as near to λ
  double rounding = 0;           // the part of ‖H v‖ that float32 alone may make
  double step_change = 0;        // |λ − λ'| with half the h: the error of differences
  bool converged = false;        // the residual is at most a thousandth of |λ|
  std::vector<double> rayleigh;  // vᵀ H v after each step of the power iteration
  std::vector<double> traces;    // d · uᵀ H u for random u of coordinates ±1/√d (Hutchinson)
};

// Measures at x. Holds three vectors of the model's size beside x. Throws UserError where the time is over before the first
// product.
Curvature measure_curvature(Objective& objective, const Vec& x, const CurvatureOptions& options);

}  // namespace tacet
