// See non_finite.h.
#include "engine/non_finite.h"

#include <cmath>

#include "engine/divergence.h"

namespace tacet {

std::string at_step(int64_t round, int client, int64_t step) {
  return "round " + std::to_string(round + 1) + ", client " + std::to_string(client) + ", local step " +
         std::to_string(step + 1);
}

std::string lower_rates(Rates rates) {
  return std::string(kLowerRates) + (std::isfinite(rates.gamma) ? " or algorithm.gamma" : "");
}

UserError not_finite(const std::string& what, const std::string& where, Rates rates, const std::string& fault,
                     bool at_start) {
  const std::string advice = !fault.empty() ? fault
                             : at_start     ? "no step has been taken yet, so look at the scale of the data and at the "
                                              "initial weights (model.init)"
                                            : lower_rates(rates);
  return UserError("the " + what + " is not finite at " + where + ": " + advice + ", or say run.non_finite = \"skip\"");
}

}  // namespace tacet
