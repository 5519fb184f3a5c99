// Checks before the first step that all ranks of a run agree. With another recipe, version, model or amount of data on one
// of them, the mean would have no meaning. Reads no data.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tacet/error.h"
#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

class Group;

// The compared facts, each by name with its value, in equal order on all ranks that agree.
using Fingerprint = std::vector<std::pair<std::string, std::string>>;

// Returns the facts that all ranks must agree on. Among them are all keys of the recipe that are not per machine, as the
// places of files are.
Fingerprint fingerprint_of(const Recipe& recipe, Objective& objective, int clients);

// The loss of a worker that does not belong to a run under way.
struct Differs : PeerLost {
  using PeerLost::PeerLost;
};

// Throws if a rank differs from rank 0, with the first such rank and the first difference: UserError on every rank before
// the run has begun. `begun` says that this rank has a state of the run. Where rank 0 has one, workers of the run are there,
// and a new one that differs must not end them: it alone throws UserError, and the others Differs. Collective.
void require_same(Group& group, const Fingerprint& mine, bool begun);

}  // namespace tacet
