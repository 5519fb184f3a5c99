// Rounding of single precision against a reference in double precision.
#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

namespace tacet::test {

// Relative to the greatest result. `terms`: the most numbers that are added up on the way to one of a's. A sum of n numbers
// is off by n·u of their sizes at worst, u = 2⁻²⁴, and usually by √n·u; four times the former, because sums feed sums.
inline double tolerance(int64_t terms) { return 4 * static_cast<double>(terms) * 5.96e-8; }

inline void expect_close(const torch::Tensor& a, const torch::Tensor& b, double relative, const std::string& what) {
  ASSERT_TRUE(a.defined() && b.defined()) << what;
  ASSERT_EQ(a.sizes(), b.sizes()) << what;
  if (a.numel() == 0) return;
  EXPECT_LE((a.to(torch::kDouble) - b.to(torch::kDouble)).abs().max().item<double>(),
            relative * (1 + b.abs().max().item<double>()))
      << what;
}

}  // namespace tacet::test
