// The dip test of Hartigan and Hartigan, "The dip test of unimodality", Annals of Statistics 13 (1985): how far a sample's
// distribution function is from the nearest one with a single mode.
#pragma once

#include <cstdint>
#include <span>

namespace tacet {

// Returns the dip, between 1/(2n) and 1/4. Needs 4 values.
double dip(std::span<const double> values);

struct DipTest {
  double dip = 0;
  double p = 1;  // P(dip of n uniform values ≥ this one): small where there is more than one mode
  int64_t simulations = 0;
};

// Tests for a single mode, against uniform samples of the same size drawn by a stream of the seed. The uniform distribution
// is the hardest single mode, so others are refused less often than the level says. Needs 20 values.
DipTest dip_test(std::span<const double> values, uint64_t seed = 0, int64_t simulations = 400);

}  // namespace tacet
