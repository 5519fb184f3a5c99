// See process.h.
#include "train/process.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>

#include <dlfcn.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ATen/Parallel.h>

namespace tacet {

void set_threads(int threads) {
  at::set_num_threads(threads);
  // OpenBLAS built on its own threads does not follow OpenMP's setting. The symbol is absent with another BLAS.
  if (auto* set = reinterpret_cast<void (*)(int)>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) set(threads);
}

int available_cores() {
  cpu_set_t mask;
  int cores = ::sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1;
  double quota = 0, period = 0;  // microseconds; "max" where there is no limit
  if (std::ifstream("/sys/fs/cgroup/cpu.max") >> quota >> period && period > 0)
    cores = std::min(cores, static_cast<int>(std::ceil(quota / period)));
  return std::max(1, cores);
}

void share_one_heap() { ::mallopt(M_ARENA_MAX, 1); }

void release_large_blocks() {
  ::mallopt(M_MMAP_MAX, 1 << 16);
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 20);
  ::mallopt(M_TOP_PAD, 1 << 20);
}

void keep_large_blocks() {
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);

  // The heap is made long now, while nothing of its end is in use. Only addresses are taken. The end is not asked of
  // sbrk(0): where a message library has put its own sbrk in place of the C library's (UCX, which Debian 13's libtorch
  // loads), that sets the end again to what it was a moment ago, under the feet of a thread that makes the heap longer.
  constexpr uintptr_t page = 2 << 20;
  const auto memory = static_cast<size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* volatile room = std::malloc(memory / 4);
  if (room == nullptr) return;  // the process may not have as much; pages stay small
  const uintptr_t first = (reinterpret_cast<uintptr_t>(room) + page - 1) / page * page;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(room) + memory / 4) / page * page;
  if (last > first) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  std::free(room);
}

}  // namespace tacet
