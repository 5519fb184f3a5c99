// `tacet train --dry-run`: a recipe's cost on this machine, with its data or without them. Trains nothing, writes nothing.
#pragma once

#include "tacet/recipe.h"

namespace tacet {

// Prints the number of parameters, the data (where they are missing, how to get them), and bytes, time and memory of one
// round. Where the data are missing a stand-in of their shape takes their place (data/catalog/stand_in.h). A step that would
// take too long or does not fit into memory is extrapolated from smaller batches. Workers that are all
// `on_this_machine` share its cores. With `json` prints one JSON object instead of the text. Returns the exit code. Throws
// UserError for a recipe that could not run.
int dry_run(const Recipe& recipe, int workers, bool on_this_machine, bool json);

}  // namespace tacet
