// The fixed-order sum behind Round::mean. Positions 0 … S−1 are the leaves of one binary tree (the aligned tree over the
// next power of two, cut off at S); a node's value is left + right, or left alone where the right half is empty. Each rank
// adds up the largest subtrees that it owns whole and sends only those; the owner of a slice finishes the tree for the slice
// and hands the result to everyone. So the bits of a sum do not depend on who owned which leaf. Knows no client and no
// model.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "tacet/group.h"

namespace tacet {

// Leaves [first, last) of the tree over `leaves` leaves.
struct Subtree {
  int64_t first, last;
  bool operator==(const Subtree&) const = default;
};

// The largest subtrees inside [first, last), from left to right; none when the range is empty.
std::vector<Subtree> whole_subtrees(int64_t first, int64_t last, int64_t leaves);

// Σ_{p=0}^{S−1} leaf(p), the same bits on every rank. `bounds` has group.size()+1 ascending entries, from 0 to S: rank q
// owns leaves [bounds[q], bounds[q+1]). leaf(p, out) is called once for each of one's own leaves in ascending order; it must
// write the leaf's `size` floats to out. S ≥ 1; size ≥ 0. Collective.
at::Tensor tree_sum(Group& group, const std::vector<int64_t>& bounds, int64_t size,
                    const std::function<void(int64_t p, float* out)>& leaf);

// Balanced contiguous blocks: entry q is the first of `count` things that rank q of `ranks` owns.
std::vector<int64_t> block_bounds(int64_t count, int ranks);

}  // namespace tacet
