// The triples test of Randles, Fligner, Policello and Wolfe (Journal of the American Statistical Association 75, 1980): is a
// distribution symmetric about some centre? The centre need not be known, as it must be for the sign test.
#pragma once

#include <cstdint>
#include <span>

namespace tacet {

struct SymmetryTest {
  double leaning = 0;  // share of triples that lean right minus those that lean left, over 3: −1/3 … 1/3
  double z = 0;        // over its deviation
  double p = 1;        // two-sided, by the normal distribution
  int64_t n = 0;
};

// Tests the first 300 values, as the time grows with n³. Needs 20.
SymmetryTest symmetry_test(std::span<const double> values);

}  // namespace tacet
