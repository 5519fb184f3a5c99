// The keys of a recipe that its run uses, with their values. The rules of use are in tables.h.
#pragma once

#include <string>
#include <vector>

#include "tacet/options.h"
#include "tacet/recipe.h"

namespace tacet {

// One key with its value.
struct Used {
  std::string table;
  const Option* option;  // null for the key "name"
  std::string key;
  Value value;
};

// Returns the values of a recipe that a run uses, in the order of the documentation.
std::vector<Used> used_values(const Recipe& recipe);

}  // namespace tacet
