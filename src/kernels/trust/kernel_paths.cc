// See kernel_paths.h.
#include "kernels/trust/kernel_paths.h"

#include <array>
#include <atomic>
#include <cstddef>

namespace tacet {
namespace {

std::atomic<bool>& refusal(Kernel kernel) {
  static std::array<std::atomic<bool>, 4> all{};
  return all[static_cast<size_t>(kernel)];
}

}  // namespace

bool refused(Kernel kernel) { return refusal(kernel).load(std::memory_order_relaxed); }

void refuse(Kernel kernel, bool is_wrong) { refusal(kernel) = is_wrong; }

}  // namespace tacet
