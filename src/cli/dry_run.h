// `tacet train --dry-run`: what a recipe would cost here, whether its data are there or not. Trains nothing, writes nothing.
#pragma once

#include "tacet/recipe.h"

namespace tacet {

// Prints the model's parameters, the data with what is missing and how to get it, and for one round bytes, time and memory.
// Where the data are missing a stand-in of their shape takes their place (data/stand_in.h). A step that would take too long
// or does not fit into memory is extrapolated from smaller batches. Returns the exit code. Throws UserError for a recipe
// that could not run.
int dry_run(const Recipe& recipe, int workers);

}  // namespace tacet
