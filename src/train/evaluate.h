// Evaluation over all ranks. The objective cuts a split into units whose scores do not depend on the rank. They are added in
// unit order, so the total has equal bits for any placement. It is not counted as communication of the method.
#pragma once

#include <string>

#include "tacet/objective.h"

namespace tacet {

class Group;

// Returns the sums over the whole split at x. Collective.
Score evaluate_all(Objective& objective, Group& group, const std::string& split, const Vec& x);

}  // namespace tacet
