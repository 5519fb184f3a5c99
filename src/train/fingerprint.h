// Checks before the first step that all ranks of a run agree. With another recipe, version, model or amount of data on one
// of them, the mean would have no meaning. Reads no data.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

class Group;

// The compared facts, each by name with its value, in equal order on all ranks that agree.
using Fingerprint = std::vector<std::pair<std::string, std::string>>;

// Returns the facts that all ranks must agree on. Among them are all keys of the recipe that are not per machine, as the
// places of files are.
Fingerprint fingerprint_of(const Recipe& recipe, Objective& objective, int clients);

// Throws UserError on every rank if one differs from rank 0, with the first such rank and the first difference. Collective.
void require_same(Group& group, const Fingerprint& mine);

}  // namespace tacet
