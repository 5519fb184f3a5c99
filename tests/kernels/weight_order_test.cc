// Copies into the orders that oneDNN chooses, beside the address of one value after the other: values, zeros, and nothing
// beyond. No oneDNN here, so all orders are met on every processor.
#include "kernels/product/weight_order.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "kernels/product/bf16.h"

namespace tacet::weight_order_test {
namespace {

// An order by its name at oneDNN: the outer dimensions from the slowest on, and the cuts of a block.
struct Named {
  std::string name;
  std::vector<size_t> outer;
  std::vector<BlockOrder::Inner> inner;
};

const std::vector<Named> matrices = {{"ab", {0, 1}, {}},
                                     {"ba", {1, 0}, {}},
                                     {"BA16a64b", {1, 0}, {{0, 16}, {1, 64}}},
                                     {"BA16a64b2a", {1, 0}, {{0, 16}, {1, 64}, {0, 2}}},
                                     {"BA16a48b", {1, 0}, {{0, 16}, {1, 48}}},
                                     {"BA16a16b", {1, 0}, {{0, 16}, {1, 16}}}};
const std::vector<Named> kernels = {{"oihw", {0, 1, 2, 3}, {}},
                                    {"hwio", {2, 3, 1, 0}, {}},
                                    {"OIhw16i16o", {0, 1, 2, 3}, {{1, 16}, {0, 16}}},
                                    {"OIhw16o16i", {0, 1, 2, 3}, {{0, 16}, {1, 16}}},
                                    {"OIhw8i8o", {0, 1, 2, 3}, {{1, 8}, {0, 8}}},
                                    {"Ohwi16o", {0, 2, 3, 1}, {{0, 16}}},
                                    {"OIhw8i16o2i", {0, 1, 2, 3}, {{1, 8}, {0, 16}, {1, 2}}}};

BlockOrder order_of(const Named& named, const Dims& sizes) {
  BlockOrder order;
  Dims block = {1, 1, 1, 1};
  int64_t run = 1;
  for (const auto& cut : named.inner) block[static_cast<size_t>(cut.dimension)] *= cut.size, run *= cut.size;
  for (size_t d = 0; d < 4; ++d) order.padded[d] = (sizes[d] + block[d] - 1) / block[d] * block[d];
  for (size_t k = named.outer.size(); k-- > 0;) {
    order.strides[named.outer[k]] = run;
    run *= order.padded[named.outer[k]] / block[named.outer[k]];
  }
  order.inner = named.inner;
  return order;
}

// The naive twin: where one value lies.
int64_t place_of(const BlockOrder& order, Dims index) {
  int64_t at = 0, width = 1;
  for (size_t k = order.inner.size(); k-- > 0;) {
    const auto d = static_cast<size_t>(order.inner[k].dimension);
    at += index[d] % order.inner[k].size * width;
    width *= order.inner[k].size;
    index[d] /= order.inner[k].size;
  }
  for (size_t d = 0; d < 4; ++d) at += index[d] * order.strides[d];
  return at;
}

template <class F>
void each_index(const Dims& sizes, const F& f) {
  for (int64_t i = 0; i < sizes[0]; ++i)
    for (int64_t j = 0; j < sizes[1]; ++j)
      for (int64_t k = 0; k < sizes[2]; ++k)
        for (int64_t l = 0; l < sizes[3]; ++l) f(Dims{i, j, k, l});
}

// A number that tells where it lies, and that bf16 rounds.
float number(int64_t k) { return static_cast<float>(k % 977) / 3 - 100; }

void expect_copies(const Named& named, const Dims& sizes, const Dims& strides) {
  SCOPED_TRACE(named.name + " of " + std::to_string(sizes[0]) + " × " + std::to_string(sizes[1]) + " × " +
               std::to_string(sizes[2]));
  int64_t last = 0;
  for (size_t d = 0; d < 4; ++d) last += (sizes[d] - 1) * strides[d];
  std::vector<float> plain(static_cast<size_t>(last + 1)), back(plain.size() + 1, -7);
  for (size_t k = 0; k < plain.size(); ++k) plain[k] = number(static_cast<int64_t>(k));
  const BlockOrder order = order_of(named, sizes);
  const auto values = static_cast<size_t>(order.values());
  std::vector<float> packed(values + 1, -7), wanted(values, 0);
  std::vector<uint16_t> rounded(values + 1, 0xabab);
  each_index(sizes, [&](const Dims& i) {
    int64_t from = 0;
    for (size_t d = 0; d < 4; ++d) from += i[d] * strides[d];
    wanted[static_cast<size_t>(place_of(order, i))] = plain[static_cast<size_t>(from)];
  });
  const WeightOrder way(sizes, strides, order);
  way.pack(plain.data(), packed.data());
  way.pack(plain.data(), rounded.data());
  size_t wrong = 0;
  for (size_t k = 0; k < values; ++k) wrong += packed[k] != wanted[k] || rounded[k] != nearest_bf16(wanted[k]);
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(packed[values], -7) << "written beyond the end";
  EXPECT_EQ(rounded[values], 0xabab) << "written beyond the end";
  way.unpack(packed.data(), back.data());
  wrong = 0;
  each_index(sizes, [&](const Dims& i) {
    int64_t from = 0;
    for (size_t d = 0; d < 4; ++d) from += i[d] * strides[d];
    wrong += back[static_cast<size_t>(from)] != plain[static_cast<size_t>(from)];
  });
  EXPECT_EQ(wrong, 0u) << "on the way back";
  EXPECT_EQ(back[plain.size()], -7) << "written beyond the end, on the way back";
}

TEST(WeightOrder, CopiesMatricesIntoEveryOrder) {
  for (const Named& named : matrices)
    for (const int64_t rows : {1, 2, 15, 16, 33, 100})
      for (const int64_t columns : {1, 17, 64, 65, 200}) {
        expect_copies(named, {rows, columns, 1, 1}, {columns, 1, 0, 0});
        expect_copies(named, {rows, columns, 1, 1}, {1, rows, 0, 0});
        expect_copies(named, {rows, columns, 1, 1}, {columns + 3, 1, 0, 0});  // a part of a wider one
      }
}

TEST(WeightOrder, CopiesKernelsIntoEveryOrder) {
  for (const Named& named : kernels)
    for (const int64_t out : {1, 10, 16, 50})
      for (const int64_t in : {1, 3, 16, 20})
        for (const int64_t side : {1, 3, 5})
          expect_copies(named, {out, in, side, side}, {in * side * side, side * side, side, 1});
}

// Enough values for several threads.
TEST(WeightOrder, CopiesLargeMatrices) {
  expect_copies(matrices[2], {401, 1000, 1, 1}, {1, 401, 0, 0});
  expect_copies(matrices[0], {401, 1000, 1, 1}, {1, 401, 0, 0});
}

TEST(NearestBf16, RoundsToTheNearestAndTiesToEven) {
  const std::pair<float, float> cases[] = {
      {1, 1}, {1 + 1 / 256.f, 1}, {1 + 3 / 256.f, 1 + 4 / 256.f}, {1 / 3.f, 0.334f}, {-2 - 1 / 64.f, -2.015625f}};
  for (const auto& [x, wanted] : cases) EXPECT_NEAR(float_of(nearest_bf16(x)), wanted, 1e-3) << x;
  EXPECT_EQ(float_of(nearest_bf16(1 + 1 / 256.f)), 1);
  EXPECT_TRUE(std::isnan(float_of(nearest_bf16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isinf(float_of(nearest_bf16(std::numeric_limits<float>::infinity()))));
}

}  // namespace
}  // namespace tacet::weight_order_test
