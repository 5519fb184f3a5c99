// Rules about several keys of a recipe together, for the parser, which knows their places, and for runs, which know the
// number of clients.
#pragma once

#include <string>
#include <vector>

#include "tacet/recipe.h"

namespace tacet {

// One rule that is broken.
struct Misfit {
  std::string table, key;            // to blame; no key: the table
  std::string text;                  // "must be 1 for sgd-clip, got 8"
  std::vector<std::string> missing;  // keys of [schedule] that would mend it, one of them
  bool idle = false;                 // true: nothing is wrong but that the key has no effect
};

// Returns the rules that a recipe breaks. Rules about keys without a value are passed over.
std::vector<Misfit> misfits(const Recipe& recipe);

}  // namespace tacet
