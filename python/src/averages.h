// Sums over workers that hold one vector each, outside of any method.
#pragma once

#include "engine/tree_sum.h"
#include "tacet/group.h"
#include "tacet/vector.h"

namespace tacet {

// Returns the mean of all workers' vectors, with equal bits on every rank. Nobody else holds it. Collective.
Vec mean_of_workers(Group& group, const Vec& mine, SumBuffers& buffers);

// Makes rank 0's vector everybody's. Collective.
void spread_from_first(Group& group, Vec& vector);

}  // namespace tacet
