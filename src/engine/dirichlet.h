// Draws from a Dirichlet distribution, for partitions and for client sampling. It works with logarithms, as variates of a
// small alpha underflow.
#pragma once

#include <vector>

#include "tacet/random.h"

namespace tacet {

// Returns the logarithm of a Gamma(alpha, 1) variate, alpha > 0. Dirichlet(alpha) is n of them in proportion.
double log_gamma_variate(double alpha, Stream& s);
// Returns exp of each, divided by their sum.
std::vector<double> proportions(std::vector<double> logarithms);

}  // namespace tacet
