// See averages.h.
#include "averages.h"

#include <numeric>
#include <vector>

namespace tacet {

Vec mean_of_workers(Group& group, const Vec& mine, SumBuffers& buffers) {
  const int n = group.size();
  std::vector<int64_t> bounds(static_cast<size_t>(n) + 1);
  std::iota(bounds.begin(), bounds.end(), 0);
  SumShape shape;
  shape.parts = {mine.numel()};
  shape.divided = mine.numel();
  shape.divisor = static_cast<float>(n);
  const auto leaf = [&](int64_t) { return std::vector<const float*>{mine.data_ptr<float>()}; };
  return tree_sum(group, bounds, shape, leaf, buffers).clone();
}

void spread_from_first(Group& group, Vec& vector) {
  const auto n = static_cast<size_t>(group.size());
  std::vector<std::vector<Piece>> to(n), from(n);
  const Piece all(vector.data_ptr<float>(), vector.numel());
  if (group.rank() > 0) {
    from[0] = {all};
  } else {
    for (size_t q = 1; q < n; ++q) to[q] = {all};
  }
  group.exchange(to, from);
}

}  // namespace tacet
