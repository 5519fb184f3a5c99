// A run of a method on one rank, and the comparison of two such runs, for tests of single methods.
#pragma once

#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "support/quadratic.h"

namespace tacet::test {

inline constexpr double infinite = std::numeric_limits<double>::infinity();

// Runs so many rounds from the objective's first model plus `start`.
inline Trace run_alone(const Trial& t, Quadratic objective, int64_t rounds, double start = 0) {
  auto algorithm = t.method->make(t.options);
  Vec x = objective.initial().add_(start);
  return run_on(*single_group(), t, objective, *algorithm, x, 0, rounds);
}

inline void expect_same_bits(const Trace& a, const Trace& b) {
  for (size_t r = 0; r < a.x.size(); ++r)
    ASSERT_EQ(0, std::memcmp(a.x[r].data_ptr(), b.x[r].data_ptr(), a.x[r].nbytes())) << "round " << r;
}

}  // namespace tacet::test
