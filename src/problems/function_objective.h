// A problem of the suite with noise on its gradients, as the Objective that algorithms run on. Its only split, "exact", is f
// itself; one epoch is `samples` gradients of all clients together.
#pragma once

#include <memory>

#include "problems/noise.h"
#include "problems/problem.h"
#include "tacet/objective.h"

namespace tacet {

std::unique_ptr<Objective> make_function_objective(Problem problem, Noise noise, int64_t samples);

}  // namespace tacet
