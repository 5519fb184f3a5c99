// The fixed-order sum behind Round::mean. Positions 0 … S−1 are the leaves of one binary tree (the aligned tree over the
// next power of two, cut off at S). A node's value is left + right, or left alone where the right half is empty. Each rank
// adds up the largest subtrees that it owns whole. The ranks of a host add up those that the host owns whole, each rank for
// its slice of the vector, and the hosts finish the tree for their slices of that. So a vector crosses between hosts once
// for each host, and the bits of a sum do not depend on who owned which leaf. No client or model is known here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "tacet/group.h"

namespace tacet {

// Leaves [first, last) of the tree over `leaves` leaves.
struct Subtree {
  int64_t first, last;
  bool operator==(const Subtree&) const = default;
};

// Returns the largest subtrees inside [first, last), from left to right. Returns none when the range is empty.
std::vector<Subtree> whole_subtrees(int64_t first, int64_t last, int64_t leaves);

// The memory of sums, kept from one to the next, so that in the steady state nothing is allocated and no page is new. A
// result is handed out again only when nobody holds it, or a view of it, any more.
class SumBuffers {
 public:
  at::Tensor result(int64_t size);
  // Each returns working memory of at least `size` floats: the k-th whole vector, the k-th chunk of one, a vector times its
  // weight.
  float* vector(size_t k, int64_t size);
  float* chunk(size_t k, int64_t size);
  float* weighted(int64_t size);
  // Returns the memory of a sum that goes on beside this one.
  SumBuffers& aside();

 private:
  std::vector<at::Tensor> results_, vectors_, chunks_, weighted_;
  std::unique_ptr<SumBuffers> aside_;
};

// The layout of the vectors that are added up, each given as its parts.
struct SumShape {
  std::vector<int64_t> parts;  // floats of each part
  int64_t divided = 0;         // the first so many floats of the sum are divided …
  float divisor = 1;           // … by this
  int64_t chunk = 0;           // floats of a rank's slice in one exchange; 0: as the hosts need
};

// Returns a leaf's parts, one pointer each. They stay unchanged until the next leaf is asked for or tree_sum() returns.
using Leaf = std::function<std::vector<const float*>(int64_t p)>;

// Returns Σ_{p=0}^{S−1} leaf(p), with equal bits on every rank. `bounds` has group.size()+1 ascending entries, from 0 to S
// ≥ 1. Rank q owns leaves [bounds[q], bounds[q+1]) and asks for each of them once, in ascending order. Collective.
at::Tensor tree_sum(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, const Leaf& leaf,
                    SumBuffers& buffers);

// Returns the bounds of balanced contiguous blocks. Entry q is the first of `count` things that rank q of `ranks` owns.
std::vector<int64_t> block_bounds(int64_t count, int ranks);

}  // namespace tacet
