// What all ranks of a run must agree on, compared before the first step: with another recipe, version, model or amount of
// data somewhere, the mean of all would be nobody's. Contents of the data are not read for it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

class Group;

// What is compared → its value, in the same order on every rank that agrees.
using Fingerprint = std::vector<std::pair<std::string, std::string>>;

// Of the recipe all keys but those that a machine may have its own way: where files lie and what rank 0 writes.
Fingerprint fingerprint_of(const Recipe& recipe, Objective& objective, int clients);

// Collective. Throws UserError on every rank, with the first rank that differs from rank 0 and the first difference.
void require_same(Group& group, const Fingerprint& mine);

}  // namespace tacet
