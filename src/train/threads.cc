// See threads.h.
#include "train/threads.h"

#include <dlfcn.h>
#include <malloc.h>

#include <ATen/Parallel.h>

namespace tacet {

void set_threads(int threads) {
  at::set_num_threads(threads);
  // OpenBLAS built on its own threads does not follow OpenMP's setting; the symbol is absent with another BLAS.
  if (auto* set = reinterpret_cast<void (*)(int)>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) set(threads);
}

void keep_large_blocks() {
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace tacet
