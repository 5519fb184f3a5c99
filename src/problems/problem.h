// The problem suite: functions of x ∈ R^d, one for each client, with known gradients, Hessians and constants. Claims of
// theory about an algorithm can be checked on them to the last digit; model.name in a recipe picks one. Not here: noise
// (noise.h) and the Objective that an algorithm runs on (function_objective.h).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "tacet/options.h"
#include "tacet/registry.h"

namespace tacet {

// The f_i of a client.
struct Function {
  std::function<double(std::span<const double> x)> value;
  std::function<void(std::span<const double> x, std::span<double> g)> gradient;  // g = ∇f_i(x), d numbers
  std::function<void(std::span<const double> x, std::span<double> h)> hessian;   // h = ∇²f_i(x), d·d numbers, row by row
};

struct Problem {
  int64_t dimension = 1;      // d
  std::vector<Function> f;    // by client; the task is min_x f(x) = (1/N) Σ f_i(x)
  std::vector<double> start;  // x_0
  // Every f_i is (L0, L1)-smooth: ‖∇²f_i(x)‖ ≤ L0 + L1 ‖∇f_i(x)‖ for all x.
  double L0 = 0, L1 = 0;
  // ‖∇f_i(x) − ∇f(x)‖ ≤ κ for all i and x; +∞ where no bound holds.
  double kappa = std::numeric_limits<double>::infinity();
  std::vector<double> minimiser;        // empty where there is no closed form
  std::vector<std::string> notes = {};  // lines for people
};

// Returns the rows of the models of task "function".
const std::vector<ModelInfo>& functions();

// Makes the problem that [model] describes for N clients. Throws UserError where a problem asks for another N.
Problem make_problem(const Values& model, uint64_t seed, int clients);

// Return (1/N) Σ f_i and its gradient.
double value(const Problem& problem, std::span<const double> x);
std::vector<double> gradient(const Problem& problem, std::span<const double> x);

}  // namespace tacet
