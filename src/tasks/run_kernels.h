// The check of the kernels that a run is about to use (kernels/trust), by the parameters of its objective.
#pragma once

#include "kernels/trust/kernel_check.h"
#include "tacet/objective.h"
#include "tacet/recipe.h"

namespace tacet {

// Refuses the kernels that are wrong at the objective's shapes, and returns what it found. REQUIRES: no thread computes yet.
KernelReport check_kernels(const Objective& objective, const Recipe& recipe);

}  // namespace tacet
