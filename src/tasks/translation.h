// The objective of a translation recipe: a Transformer over sentence pairs, each client with its own, in shuffled passes.
// Evaluations give the loss without label smoothing (and so perplexity) and, by translating, BLEU.
#pragma once

#include <memory>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Throws UserError when data, subwords or initial weights are missing or unfit.
std::unique_ptr<Objective> make_translation_objective(const Recipe& recipe, int clients);

}  // namespace tacet
