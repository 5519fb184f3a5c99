// See versions.h.
#include "cli/versions.h"

#include <fmt/format.h>
#include <torch/version.h>

#include "tacet/train.h"

namespace tacet {

Versions versions() { return {version(), built_commit(), TORCH_VERSION, loaded_onednn(), loaded_blas(), this_processor()}; }

std::string blas_text(const Blas& blas) {
  if (blas.name.empty()) return "none";
  return blas.name + ", threads: " + blas.threads + (blas.kernel.empty() ? "" : ", kernels for " + blas.kernel);
}

std::string version_text(const Versions& v) {
  return fmt::format("{}\ncommit     {}\nlibtorch   {}\noneDNN     {}\nBLAS       {}\nprocessor  {}{}", v.tacet, v.commit,
                     v.torch, v.onednn.empty() ? "none" : v.onednn, blas_text(v.blas),
                     v.processor.name.empty() ? "" : v.processor.name + ": ", vector_units(v.processor));
}

}  // namespace tacet
