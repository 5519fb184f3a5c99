// The Objective of task "function": a problem of the suite (src/problems) with the noise that [data] describes.
#pragma once

#include <memory>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

std::unique_ptr<Objective> make_function_objective(const Recipe& recipe, int clients);

}  // namespace tacet
