// See tree_mean.h.
#include "core/tree_mean.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace tacet {
namespace {

void add_to(float* left, const float* right, int64_t n) {
  at::parallel_for(0, n, 1 << 18, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) left[i] += right[i];
  });
}

// Walks the tree over [first, first + width), cut off at `leaves`, and calls found(subtree) for the maximal ones in [lo,
// hi).
void cover(int64_t first, int64_t width, int64_t leaves, int64_t lo, int64_t hi, std::vector<Subtree>& found) {
  const int64_t last = std::min(first + width, leaves);
  if (first >= last || last <= lo || first >= hi) return;
  if (lo <= first && last <= hi) {
    found.push_back({first, last});
    return;
  }
  cover(first, width / 2, leaves, lo, hi, found);
  cover(first + width / 2, width / 2, leaves, lo, hi, found);
}

// Adds up the subtree over [first, first + width) from the parts that are given; the sum lands in the leftmost part's
// memory.
struct Part {
  Subtree tree;
  float* data;
};
float* finish(const std::vector<Part>& parts, size_t& next, int64_t first, int64_t width, int64_t leaves, int64_t size) {
  const int64_t last = std::min(first + width, leaves);
  if (first >= last) return nullptr;
  if (parts[next].tree == Subtree{first, last}) return parts[next++].data;
  float* left = finish(parts, next, first, width / 2, leaves, size);
  const float* right = finish(parts, next, first + width / 2, width / 2, leaves, size);
  if (right) add_to(left, right, size);
  return left;
}

int64_t tree_width(int64_t leaves) { return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(leaves))); }

// One rank's whole subtree: leaves are added pairwise on a stack no deeper than the tree, so memory is O(log S) vectors.
void sum_subtree(const std::function<void(int64_t, float*)>& leaf, Subtree tree, int64_t first, int64_t width, int64_t size,
                 std::vector<at::Tensor>& scratch, size_t depth, float* out) {
  if (width == 1) {
    leaf(first, out);
    return;
  }
  const int64_t middle = first + width / 2;
  sum_subtree(leaf, tree, first, width / 2, size, scratch, depth, out);
  if (middle >= tree.last) return;
  if (scratch.size() <= depth) scratch.push_back(at::empty({size}));
  float* right = scratch[depth].data_ptr<float>();
  sum_subtree(leaf, tree, middle, width / 2, size, scratch, depth + 1, right);
  add_to(out, right, size);
}

}  // namespace

std::vector<Subtree> whole_subtrees(int64_t first, int64_t last, int64_t leaves) {
  std::vector<Subtree> found;
  if (first < last) cover(0, tree_width(leaves), leaves, first, last, found);
  return found;
}

std::vector<int64_t> block_bounds(int64_t count, int ranks) {
  std::vector<int64_t> bounds;
  for (int64_t q = 0; q <= ranks; ++q) bounds.push_back(count * q / ranks);
  return bounds;
}

at::Tensor tree_sum(Group& group, const std::vector<int64_t>& bounds, int64_t size,
                    const std::function<void(int64_t p, float* out)>& leaf) {
  const int64_t leaves = bounds.back();
  const int ranks = group.size(), me = group.rank();
  assert(leaves >= 1 && bounds.front() == 0 && static_cast<int>(bounds.size()) == ranks + 1);

  std::vector<std::vector<Subtree>> owned;
  for (int q = 0; q < ranks; ++q) owned.push_back(whole_subtrees(bounds[q], bounds[q + 1], leaves));

  std::vector<at::Tensor> mine, scratch;
  for (const Subtree& tree : owned[me]) {
    // A subtree's width is the power of two that reaches its end or the tree's end.
    const int64_t width = tree_width(tree.last - tree.first);
    mine.push_back(at::empty({size}));
    sum_subtree(leaf, tree, tree.first, width, size, scratch, 0, mine.back().data_ptr<float>());
  }
  if (ranks == 1) {
    assert(mine.size() == 1);
    return mine.front();
  }

  // First exchange: slice q of all partial sums goes to rank q.
  const auto slices = block_bounds(size, ranks);
  const int64_t my_slice = slices[me + 1] - slices[me];
  std::vector<std::vector<Piece>> to(ranks), from(ranks);
  std::vector<at::Tensor> received;
  std::vector<Part> parts;
  for (int q = 0; q < ranks; ++q) {
    for (size_t k = 0; k < owned[q].size(); ++k) {
      if (q == me) {
        parts.push_back({owned[q][k], mine[k].data_ptr<float>() + slices[me]});
      } else {
        received.push_back(at::empty({my_slice}));
        parts.push_back({owned[q][k], received.back().data_ptr<float>()});
        from[q].push_back({parts.back().data, my_slice});
      }
    }
    if (q != me)
      for (auto& sum : mine) to[q].push_back({sum.data_ptr<float>() + slices[q], slices[q + 1] - slices[q]});
  }
  group.exchange(to, from);

  size_t next = 0;
  float* total = finish(parts, next, 0, tree_width(leaves), leaves, my_slice);
  assert(next == parts.size());

  // Second exchange: everyone gets every finished slice.
  at::Tensor result = mine.empty() ? at::empty({size}) : mine.front();
  float* out = result.data_ptr<float>();
  if (total != out + slices[me] && my_slice > 0)
    std::memmove(out + slices[me], total, static_cast<size_t>(my_slice) * sizeof(float));
  to.assign(ranks, {});
  from.assign(ranks, {});
  for (int q = 0; q < ranks; ++q) {
    if (q == me) continue;
    to[q].push_back({out + slices[me], my_slice});
    from[q].push_back({out + slices[q], slices[q + 1] - slices[q]});
  }
  group.exchange(to, from);
  return result;
}

}  // namespace tacet
