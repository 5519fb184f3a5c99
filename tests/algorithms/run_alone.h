// A run of a method on one rank, and the comparison of two such runs, for tests of single methods.
#pragma once

#include <cstring>
#include <limits>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "support/quadratic.h"

namespace tacet::test {

inline constexpr double infinite = std::numeric_limits<double>::infinity();

using Options = std::map<std::string, Value>;

// Returns the options with more of them, which count where both have a key.
inline Options with(Options a, const Options& more) {
  for (const auto& [key, value] : more) a[key] = value;
  return a;
}

// Runs so many rounds from the objective's first model plus `start`.
inline Trace run_alone(const Trial& t, Quadratic objective, int64_t rounds, double start = 0) {
  auto algorithm = t.method->make(t.options);
  Vec x = objective.initial().add_(start);
  return run_on(*single_group(), t, objective, *algorithm, x, 0, rounds);
}

// Expects that the method's `global` is the mean of its clients' parts after each of 6 rounds, up to rounding.
inline void expect_mean_of_parts(const Trial& t, Quadratic objective, const std::string& global, const std::string& parts) {
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  for (int64_t r = 0; r < 6; ++r) {
    run_on(*single_group(), t, objective, *algorithm, x, r, r + 1);
    Snapshot s;
    algorithm->state(s);
    Vec mean = at::zeros_like(x);
    for (const auto& [id, part] : s.per_client[parts]) mean += part / t.clients;
    EXPECT_FALSE(s.per_client[parts].empty());
    EXPECT_LT(l2_norm(s.globals[global] - mean), 1e-6) << r;
  }
}

inline void expect_same_bits(const Trace& a, const Trace& b) {
  for (size_t r = 0; r < a.x.size(); ++r)
    ASSERT_EQ(0, std::memcmp(a.x[r].data_ptr(), b.x[r].data_ptr(), a.x[r].nbytes())) << "round " << r;
}

}  // namespace tacet::test
