// The objective of an image classification recipe: cross-entropy of a network over labelled images that a partition has
// dealt to the clients. This is where model and data meet; neither knows the other.
#pragma once

#include <memory>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Throws UserError when data or initial weights are missing or unfit.
std::unique_ptr<Objective> make_classification_objective(const Recipe& recipe, int clients);

}  // namespace tacet
