// The objective of a recipe that classifies texts or pairs of texts: each client has its own examples and goes through them
// in shuffled passes. Models and readers are elsewhere (src/models/text/text_classifier.h, src/data/text/labelled_text.h).
#pragma once

#include <memory>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Tasks "sentence-pairs" and "text-classification". Throws UserError when data or initial weights are missing or unfit.
std::unique_ptr<Objective> make_text_objective(const Recipe& recipe, int clients);

}  // namespace tacet
