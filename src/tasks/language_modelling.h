// The objective of a language-model recipe: a network over a word-level corpus, a stream of text a client, truncated
// back-propagation, with carried hidden state where the network has one. This is where model and data meet; neither knows
// the other.
#pragma once

#include <memory>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Throws UserError when data or initial weights are missing or unfit.
std::unique_ptr<Objective> make_language_objective(const Recipe& recipe, int clients);

}  // namespace tacet
