// The versions of this program and of the libraries and the processor it runs on, for `tacet --version` and `tacet doctor`.
#pragma once

#include <string>

#include "machine/libraries.h"
#include "machine/processor.h"

namespace tacet {

struct Versions {
  std::string tacet;   // "0.1.0"
  std::string commit;  // "3f2a1b0c9d8e", with "+changes" behind it where files differ from it, or "unknown" outside of git
  std::string torch;   // the one that the program was compiled for
  std::string onednn;  // empty where none is loaded
  Blas blas;
  Processor processor;
};
Versions versions();

// Returns the commit that this program was built from, as in Versions. Defined in a file that the build writes.
std::string built_commit();

// Returns the text of `tacet --version`: the version alone in the first line, then a line each.
std::string version_text(const Versions& v);

// Returns "OpenBLAS 0.3.21, threads: OpenMP, kernels for Zen", or "none".
std::string blas_text(const Blas& blas);

}  // namespace tacet
