// Compares the recipe of a resumed run with the one it began with, by what its options say of themselves.
#pragma once

#include <string>

#include "tacet/recipe.h"

namespace tacet {

// Throws UserError when an option that a run uses, and that a resumed run may not change, has changed. `file` is where
// `before` was read from, for the message.
void require_same_run(const Recipe& before, const Recipe& now, const std::string& file);

}  // namespace tacet
