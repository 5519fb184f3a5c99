// Runs a method on a problem of the suite, with few words.
#pragma once

#include "problems/function_objective.h"
#include "support/quadratic.h"
#include "support/row_values.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet::test {

inline Problem problem(const std::string& name, int clients, const Given& more = {}) {
  return make_problem(row_values(find_model(name), more), 1, clients);
}

// N that the problem asks for; 4 where it does not care.
inline int natural_clients(const std::string& name) {
  for (int n : {4, 2}) try {
      problem(name, n);
      return n;
    } catch (const UserError&) {
    }
  return 1;
}

struct Outcome {
  Trace trace;
  Vec x;
};

// All rounds on one rank, from the problem's start.
inline Outcome run_problem(const Problem& p, const Noise& noise, const Trial& t, int64_t rounds) {
  const auto objective = make_function_objective(p, noise, 100);
  const auto algorithm = t.method->make(t.options);
  Outcome r;
  r.x = objective->initial();
  r.trace = run_on(*single_group(), t, *objective, *algorithm, r.x, 0, rounds);
  return r;
}

// f at x, and ‖∇f(x)‖.
inline std::vector<double> point(const Vec& x) {
  std::vector<double> p;
  for (int64_t j = 0; j < x.numel(); ++j) p.push_back(static_cast<double>(x.data_ptr<float>()[j]));
  return p;
}
inline double f_at(const Problem& p, const Vec& x) { return value(p, point(x)); }
inline double slope_at(const Problem& p, const Vec& x) {
  double square = 0;
  for (double v : gradient(p, point(x))) square += v * v;
  return std::sqrt(square);
}

}  // namespace tacet::test
