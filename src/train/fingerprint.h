// Checks that a run is one: all its ranks agree before the first step, and a resumed run is the run that was stopped. With
// another recipe, version, model or amount of data somewhere, the mean of all would be nobody's. Reads no data.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

class Group;

// Name of what is compared → its value, in equal order on all ranks that agree.
using Fingerprint = std::vector<std::pair<std::string, std::string>>;

// Returns what all ranks must agree on. It has all keys of the recipe but those that a machine may have its own way: where
// files lie and what rank 0 writes.
Fingerprint fingerprint_of(const Recipe& recipe, Objective& objective, int clients);

// Throws UserError on every rank, with the first rank that differs from rank 0 and the first difference. Collective.
void require_same(Group& group, const Fingerprint& mine);

}  // namespace tacet
