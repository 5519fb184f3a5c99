// The fixed-order sum: the same bits for every placement, for odd counts, empty ranks and awkward sizes.
#include "engine/tree_sum.h"

#include <cstring>
#include <numeric>
#include <set>

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

// Another group whose ranks are said to be on hosts of so many.
struct Hosts : Group {
  Hosts(Group& g, int ranks_of_a_host) : group(g), ranks(ranks_of_a_host) {}
  int rank() const override { return group.rank(); }
  int size() const override { return group.size(); }
  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    for (int q = 0; q < size(); ++q)
      for (const Piece& piece : to[q])
        if (q / ranks != rank() / ranks) crossed += piece.bytes / static_cast<int64_t>(sizeof(float));
    group.exchange(to, from);
  }
  int64_t bytes_sent() const override { return group.bytes_sent(); }
  std::string backend() const override { return group.backend(); }
  std::vector<int> hosts() const override {
    std::vector<int> host;
    for (int q = 0; q < size(); ++q) host.push_back(q / ranks);
    return host;
  }
  Group& group;
  const int ranks;
  int64_t crossed = 0;  // floats that this rank sent to other hosts
};

struct Way {
  std::vector<int64_t> parts = {};  // of a vector; empty: one
  int64_t chunk = 0;
  int ranks_of_a_host = 1;
};

std::vector<float> sum_on(int ranks, const std::vector<int64_t>& bounds, int64_t size, Way way = {}) {
  SumShape shape;
  shape.parts = way.parts.empty() ? std::vector<int64_t>{size} : way.parts;
  shape.chunk = way.chunk;
  const auto all = test::on_ranks<at::Tensor>(ranks, [&](Group& g) {
    Hosts hosts(g, way.ranks_of_a_host);
    SumBuffers buffers;
    std::vector<float> v(static_cast<size_t>(size));
    at::Tensor sum;
    for (int k = 0; k < 2; ++k)  // in memory that is new, and that has been used
      sum = tree_sum(
          hosts, bounds, shape,
          [&](int64_t p) {
            fill_leaf(p, v.data(), size);
            std::vector<const float*> parts = {v.data()};
            for (const int64_t n : shape.parts) parts.push_back(parts.back() + n);
            parts.pop_back();
            return parts;
          },
          buffers);
    return sum;
  });
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
  Way way;
  way.chunk = *rc::gen::element<int64_t>(0, 1, 7, 100);
  way.ranks_of_a_host = *rc::gen::inRange(1, 4);
  const auto cut = *rc::gen::inRange<int64_t>(0, size + 1);
  way.parts = {cut, 0, size - cut};
  RC_ASSERT(sum_on(ranks, bounds, size, way) == reference(0, width, leaves, size));
}

TEST(TreeSum, DividesWhatIsToBeDivided) {
  test::on_ranks<int>(2, [](Group& g) {
    SumShape shape;
    shape.parts = {5, 2};
    shape.divided = 5;
    shape.divisor = 4;
    SumBuffers buffers;
    const std::vector<float> v(7, 1.0f);
    const auto sum = tree_sum(
        g, {0, 1, 3}, shape,
        [&](int64_t) {
          return std::vector<const float*>{v.data(), v.data() + 5};
        },
        buffers);
    EXPECT_TRUE(sum.equal(at::tensor({0.75f, 0.75f, 0.75f, 0.75f, 0.75f, 3.0f, 3.0f})));
    return 0;
  });
}

// A leaf may lie in memory of its owner's, which must come back as it was.
TEST(TreeSum, LeavesTheLeavesAlone) {
  test::on_ranks<int>(4, [](Group& g) {
    Hosts hosts(g, 2);
    SumBuffers buffers;
    std::vector<float> v(1001), before(1001);
    fill_leaf(g.rank(), before.data(), 1001);
    v = before;
    SumShape shape;
    shape.parts = {1001};
    tree_sum(
        hosts, block_bounds(4, 4), shape, [&](int64_t) { return std::vector<const float*>{v.data()}; }, buffers);
    EXPECT_EQ(v, before);
    return 0;
  });
}

// Two hosts of R ranks, a client each: a host sends the half of its sum that the other finishes and the half of the total
// that it has finished itself, d floats; sent flat, each of its ranks would send that.
TEST(TreeSum, CrossesBetweenHostsOncePerHost) {
  for (const int R : {1, 2, 3}) {
    const auto crossed = test::on_ranks<int64_t>(2 * R, [&](Group& g) {
      Hosts hosts(g, R);
      SumBuffers buffers;
      const std::vector<float> v(1200, 1.0f);
      SumShape shape;
      shape.parts = {1200};
      tree_sum(
          hosts, block_bounds(2 * R, 2 * R), shape, [&](int64_t) { return std::vector<const float*>{v.data()}; }, buffers);
      return hosts.crossed;
    });
    // Blocks of 3 clients are two subtrees, (0 1) 2 | 3 (4 5): both sums cross.
    const int64_t sums = R == 3 ? 2 : 1;
    EXPECT_EQ(std::accumulate(crossed.begin(), crossed.end(), int64_t{0}), 2 * (sums * 600 + 600)) << R;
  }
}

TEST(SumBuffers, AResultIsHandedOutAgainWhenNobodyHoldsIt) {
  SumBuffers buffers;
  at::Tensor a = buffers.result(10), b = buffers.result(10);
  const void* first = a.data_ptr();
  EXPECT_NE(first, b.data_ptr());
  const at::Tensor view = a.narrow(0, 2, 3);
  a = at::Tensor();
  EXPECT_NE(buffers.result(10).data_ptr(), first) << "a view of it is still there";
  at::Tensor copy = view;
  EXPECT_NE(buffers.result(10).data_ptr(), first);
}

TEST(SumBuffers, AllocateNothingInTheSteadyState) {
  SumBuffers buffers;
  std::set<const void*> seen;
  at::Tensor x = buffers.result(1000);
  for (int r = 0; r < 10; ++r) {
    x = buffers.result(1000);  // x = r.mean(…)
    seen.insert(x.data_ptr());
  }
  EXPECT_EQ(seen.size(), 2u);
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
