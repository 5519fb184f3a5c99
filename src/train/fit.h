// What a recipe asks of its objective and only the objective tells: passes that end, gradients over the training set, states
// that noise does not cover. Runs and dry runs check it alike. What the recipe alone tells is in recipe/misfits.h.
#pragma once

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Throws UserError where the objective has not what the recipe asks of it. REQUIRES: the recipe has clients.count.
void require_fit(const Recipe& recipe, Objective& objective);

}  // namespace tacet
