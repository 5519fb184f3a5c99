// Evaluation over all ranks. The objective cuts a split into units whose scores do not depend on who computes them; they are
// added in unit order, so the total has the same bits for any placement. Not counted as communication of the method.
#pragma once

#include <string>

#include "tacet/objective.h"

namespace tacet {

class Group;

// Collective. The sums over the whole split at x.
Score evaluate_all(Objective& objective, Group& group, const std::string& split, const Vec& x);

}  // namespace tacet
