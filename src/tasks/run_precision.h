// run.dtype as the value that models and kernels take.
#pragma once

#include "kernels/product/product.h"
#include "tacet/options.h"
#include "tacet/precision.h"

namespace tacet {

// Throws UserError when the recipe asks for bf16 and this build or processor does not multiply it (`bf16`).
Precision precision_of(const Values& run, bool bf16 = bf16_products());

}  // namespace tacet
