// Makes the objective that a recipe's [data] and [model] describe. Training it is in train.h.
#pragma once

#include <memory>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Returns the objective of `clients` clients. Throws UserError when data is missing or model and data do not fit.
std::unique_ptr<Objective> make_objective(const Recipe& recipe, int clients);

}  // namespace tacet
