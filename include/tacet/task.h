// Makes the objective that a recipe describes, by [data] and [model] or by [objective]. Training it is in train.h.
#pragma once

#include <memory>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Returns the objective of `clients` clients. Throws UserError when data is missing or model and data do not fit.
std::unique_ptr<Objective> make_objective(const Recipe& recipe, int clients);

}  // namespace tacet
