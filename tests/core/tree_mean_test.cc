// The fixed-order sum: the same bits for every placement, for odd counts, empty ranks and awkward sizes.
#include "core/tree_mean.h"

#include <cstring>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "support/placements.h"
#include "tacet/random.h"

namespace tacet {
namespace {

// Leaf p holds numbers of very different sizes, so that another order of additions shows in the bits.
void fill_leaf(int64_t p, float* out, int64_t size) {
  Stream s(99, static_cast<int>(p), Purpose::gradient_noise, 0, 0);
  for (int64_t k = 0; k < size; ++k)
    out[k] = static_cast<float>(s.normal() * std::pow(10.0, static_cast<double>(s.below(8)) - 4));
}

// The definition, written the slow way: value(first, width) = left + right, or left alone.
std::vector<float> reference(int64_t first, int64_t width, int64_t leaves, int64_t size) {
  if (first >= leaves) return {};
  if (width == 1) {
    std::vector<float> v(static_cast<size_t>(size));
    fill_leaf(first, v.data(), size);
    return v;
  }
  auto left = reference(first, width / 2, leaves, size);
  const auto right = reference(first + width / 2, width / 2, leaves, size);
  for (size_t k = 0; k < right.size(); ++k) left[k] += right[k];
  return left;
}

std::vector<float> sum_on(int ranks, const std::vector<int64_t>& bounds, int64_t size) {
  const auto all = test::on_ranks<at::Tensor>(
      ranks, [&](Group& g) { return tree_sum(g, bounds, size, [&](int64_t p, float* out) { fill_leaf(p, out, size); }); });
  std::vector<float> first(all[0].data_ptr<float>(), all[0].data_ptr<float>() + size);
  for (const auto& other : all) {
    const bool same = size == 0 || std::memcmp(other.data_ptr(), first.data(), first.size() * sizeof(float)) == 0;
    EXPECT_TRUE(same);
  }
  return first;
}

RC_GTEST_PROP(TreeSum, SameBitsForEveryPlacement, ()) {
  const auto leaves = *rc::gen::inRange<int64_t>(1, 20);
  const auto ranks = *rc::gen::inRange(1, 6);
  const auto size = *rc::gen::element<int64_t>(0, 1, 2, 3, 5, 17, 64, 1001);
  // Any cut into contiguous blocks, empty ones included.
  std::vector<int64_t> bounds = {0};
  for (int q = 1; q < ranks; ++q) bounds.push_back(*rc::gen::inRange<int64_t>(bounds.back(), leaves + 1));
  bounds.push_back(leaves);
  int64_t width = 1;
  while (width < leaves) width *= 2;
  RC_ASSERT(sum_on(ranks, bounds, size) == reference(0, width, leaves, size));
}

RC_GTEST_PROP(WholeSubtrees, CoverTheirRangeOnce, ()) {
  const auto leaves = *rc::gen::inRange<int64_t>(1, 100);
  const auto first = *rc::gen::inRange<int64_t>(0, leaves + 1);
  const auto last = *rc::gen::inRange<int64_t>(first, leaves + 1);
  int64_t at = first;
  for (const Subtree& t : whole_subtrees(first, last, leaves)) {
    RC_ASSERT(t.first == at);
    at = t.last;
  }
  RC_ASSERT(at == last);
}

TEST(WholeSubtrees, AreFewForAlignedBlocks) {
  EXPECT_EQ(whole_subtrees(4, 8, 16).size(), 1u);
  EXPECT_EQ(whole_subtrees(0, 16, 16).size(), 1u);
  EXPECT_EQ(whole_subtrees(4, 5, 5).size(), 1u);  // cut off at the end, the right half is one leaf
  EXPECT_EQ(whole_subtrees(1, 7, 8).size(), 4u);  // 1 | 2–3 | 4–5 | 6
  EXPECT_EQ(whole_subtrees(3, 3, 8).size(), 0u);
}

TEST(AllGather, KeepsBitsAndOrderForUnequalCounts) {
  const auto all = test::on_ranks<std::vector<double>>(3, [](Group& g) {
    std::vector<double> mine(static_cast<size_t>(g.rank()) * 2, 0.1 * g.rank());
    return all_gather(g, mine);
  });
  for (const auto& v : all) EXPECT_EQ(v, (std::vector<double>{0.1, 0.1, 0.2, 0.2, 0.2, 0.2}));
}

}  // namespace
}  // namespace tacet
