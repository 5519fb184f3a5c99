// Checks what only the objective tells of a recipe: passes that end, gradients over the training set, states that noise does
// not cover. Runs and dry runs do it alike. What the recipe alone tells is in recipe/misfits.h.
#pragma once

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Throws UserError where the objective has not what the recipe asks of it. REQUIRES: the recipe has clients.count.
void require_fit(const Recipe& recipe, Objective& objective);

}  // namespace tacet
