// run.dtype as the value that models and kernels take.
#pragma once

#include "kernels/precision.h"
#include "tacet/options.h"

namespace tacet {

// Throws UserError when the recipe asks for bf16 and this build or processor does not multiply it.
Precision precision_of(const Values& run);

}  // namespace tacet
