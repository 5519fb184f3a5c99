// Draws from a Dirichlet distribution, for partitions and for client sampling. Logarithms throughout, as a small alpha
// underflows.
#pragma once

#include <vector>

#include "tacet/random.h"

namespace tacet {

// The logarithm of a Gamma(alpha, 1) variate; alpha > 0. Dirichlet(alpha) is n of them in proportion.
double log_gamma_variate(double alpha, Stream& s);
// exp of each, divided by their sum.
std::vector<double> proportions(std::vector<double> logarithms);

}  // namespace tacet
