// See precision.h.
#include "tasks/run_precision.h"

#include "tacet/error.h"

namespace tacet {

Precision precision_of(const Values& run, bool bf16) {
  if (run.text("dtype") == "f32") return Precision::f32;
  if (!bf16)
    throw UserError(
        "run.dtype: bf16 needs a processor with AVX512-BF16 or AMX and a build with oneDNN, which is not so here; f32 works "
        "everywhere");
  return Precision::bf16;
}

}  // namespace tacet
