// The words about a loss, a gradient or a step that is not finite: where it came up, and what the user can change. Nothing
// is checked here.
#pragma once

#include <cstdint>
#include <string>

#include "tacet/algorithm.h"
#include "tacet/error.h"

namespace tacet {

// Names a local step for a message. Rounds and steps count from 1, as in metrics.jsonl.
std::string at_step(int64_t round, int client, int64_t step);

// Returns the advice on rates. A method that does not clip (γ = ∞) has no algorithm.gamma to lower.
std::string lower_rates(Rates rates);

// Returns the error of a loss or gradient that is not finite. `fault` is what is wrong with the mini-batch, perhaps nothing.
// `at_start` says that the model is still the initial one, so that no rate can be to blame.
UserError not_finite(const std::string& what, const std::string& where, Rates rates, const std::string& fault,
                     bool at_start);

}  // namespace tacet
