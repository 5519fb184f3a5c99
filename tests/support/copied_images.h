// Observes in libtorch which images a step copies from one memory order into another. It measures no time.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace tacet::test {

// Returns the sizes of the images that `step` copies from one order into another: libtorch's clones of four dimensions,
// which is what contiguous() and flatten() make where they must.
std::vector<std::vector<int64_t>> copied_images(const std::function<void()>& step);

}  // namespace tacet::test
