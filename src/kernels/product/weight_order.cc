// See weight_order.h. Both tensors are visited in tiles. A tile is a block where there are blocks. Of plain rows it is small
// enough that a transposition reads and writes whole lines of the cache.
#include "kernels/product/weight_order.h"

#include <algorithm>
#include <numeric>

#include "kernels/product/bf16.h"

namespace tacet {
namespace {

constexpr int64_t enough_for_threads = 1 << 15;  // values

int64_t product_of(const Dims& all) {
  return std::accumulate(all.begin(), all.end(), int64_t{1}, [](int64_t a, int64_t b) { return a * b; });
}

// A tile's values in pieces of `length`: in a piece, neighbours are `step` values apart in the plain tensor, and lie one
// behind the other in the packed one. Pieces are copied without a look at the tables.
struct Pieces {
  int64_t length = 1, step = 1;
};

Pieces pieces_of(const std::vector<int64_t>& from, const std::vector<int64_t>& to) {
  if (from.size() < 2) return {};
  const int64_t step = from[1] - from[0];
  const auto follows = [&](size_t p) { return from[p] == from[p - 1] + step && to[p] == to[p - 1] + 1; };
  size_t length = 1;
  while (length < from.size() && follows(length)) ++length;
  for (size_t p = 1; p < from.size(); ++p)
    if (p % length != 0 && !follows(p)) return {};
  return from.size() % length == 0 ? Pieces{static_cast<int64_t>(length), step} : Pieces{};
}

}  // namespace

int64_t BlockOrder::values() const { return product_of(padded); }

WeightOrder::WeightOrder(const Dims& sizes, const Dims& strides, const BlockOrder& order)
    : sizes_(sizes), strides_(strides), padded_(order.padded), to_strides_(order.strides) {
  choose_tile(order);
  tabulate(order);
  std::iota(walk_.begin(), walk_.end(), size_t{0});
  std::stable_sort(walk_.begin(), walk_.end(), [&](size_t a, size_t b) { return to_tile_[a] > to_tile_[b]; });
  count_ = product_of(tiles_);
}

void WeightOrder::choose_tile(const BlockOrder& order) {
  constexpr int64_t row = 64, rows = 16;
  tile_.fill(1);
  for (const BlockOrder::Inner& inner : order.inner) tile_[static_cast<size_t>(inner.dimension)] *= inner.size;
  for (size_t d = 0; order.inner.empty() && d < tile_.size(); ++d) {
    const bool to_row = to_strides_[d] == 1, from_row = strides_[d] == 1;
    if (to_row && from_row)
      tile_[d] = padded_[d];
    else if (to_row || from_row)
      tile_[d] = std::min(padded_[d], to_row ? row : rows);
  }
  for (size_t d = 0; d < tile_.size(); ++d) {
    tiles_[d] = (padded_[d] + tile_[d] - 1) / tile_[d];
    to_tile_[d] = order.inner.empty() ? to_strides_[d] * tile_[d] : to_strides_[d];
  }
}

void WeightOrder::tabulate(const BlockOrder& order) {
  std::vector<BlockOrder::Inner> cuts = order.inner;
  const bool rows = cuts.empty();
  if (rows) {
    for (size_t d = 0; d < tile_.size(); ++d) cuts.push_back({static_cast<int>(d), tile_[d]});
    std::stable_sort(cuts.begin(), cuts.end(), [&](const auto& a, const auto& b) {
      return to_strides_[static_cast<size_t>(a.dimension)] > to_strides_[static_cast<size_t>(b.dimension)];
    });
  }
  const int64_t positions = product_of(tile_);
  for (int64_t p = 0; p < positions; ++p) {
    Dims width = {1, 1, 1, 1}, index = {};
    int64_t rest = p;
    for (size_t k = cuts.size(); k-- > 0;) {
      const auto d = static_cast<size_t>(cuts[k].dimension);
      index[d] += rest % cuts[k].size * width[d];
      width[d] *= cuts[k].size;
      rest /= cuts[k].size;
    }
    int64_t from = 0, to = rows ? 0 : p;
    for (size_t d = 0; d < index.size(); ++d) {
      index_[d].push_back(index[d]);
      from += index[d] * strides_[d];
      if (rows) to += index[d] * to_strides_[d];
    }
    from_.push_back(from);
    to_.push_back(to);
  }
}

WeightOrder::Place WeightOrder::place(int64_t number) const {
  Place at{0, 0, true, sizes_, padded_};
  for (size_t k = walk_.size(); k-- > 0;) {
    const size_t d = walk_[k];
    const int64_t first = number % tiles_[d] * tile_[d];
    at.plain += first * strides_[d];
    at.packed += number % tiles_[d] * to_tile_[d];
    at.left[d] -= first;
    at.fillable[d] -= first;
    at.whole = at.whole && at.left[d] >= tile_[d];
    number /= tiles_[d];
  }
  return at;
}

bool WeightOrder::within(const Dims& limit, int64_t position) const {
  for (size_t d = 0; d < limit.size(); ++d)
    if (index_[d][static_cast<size_t>(position)] >= limit[d]) return false;
  return true;
}

template <class Copy>
void WeightOrder::each_tile(const Copy& copy) const {
  const int64_t values = count_ * static_cast<int64_t>(from_.size());
#pragma omp parallel for schedule(static) if (values > enough_for_threads)
  for (int64_t number = 0; number < count_; ++number) copy(place(number));
}

template <class Out, class Convert>
void WeightOrder::pack_as(const float* plain, Out* packed, const Convert& convert) const {
  const auto positions = static_cast<int64_t>(from_.size());
  const int64_t *const from = from_.data(), *const to = to_.data();
  const Pieces pieces = pieces_of(from_, to_);
  each_tile([&](const Place& at) {
    const float* const in = plain + at.plain;
    Out* const out = packed + at.packed;
    if (at.whole) {
      for (int64_t p = 0; p < positions; p += pieces.length) {
        const float* const piece = in + from[p];
        if (pieces.step == 1)
          std::transform(piece, piece + pieces.length, out + to[p], convert);
        else
          for (int64_t q = 0; q < pieces.length; ++q) out[to[p] + q] = convert(piece[q * pieces.step]);
      }
      return;
    }
    for (int64_t p = 0; p < positions; ++p)
      if (within(at.fillable, p)) out[to[p]] = within(at.left, p) ? convert(in[from[p]]) : Out(0);
  });
}

void WeightOrder::pack(const float* plain, float* packed) const {
  pack_as(plain, packed, [](float x) { return x; });
}

void WeightOrder::pack(const float* plain, uint16_t* packed) const {
  pack_as(plain, packed, [](float x) { return nearest_bf16(x); });
}

void WeightOrder::unpack(const float* packed, float* plain) const {
  const auto positions = static_cast<int64_t>(from_.size());
  each_tile([&](const Place& at) {
    const float* const in = packed + at.packed;
    float* const out = plain + at.plain;
    for (int64_t p = 0; p < positions; ++p)
      if (at.whole || within(at.left, p)) out[from_[static_cast<size_t>(p)]] = in[to_[static_cast<size_t>(p)]];
  });
}

void round_values(const float* from, int64_t n, uint16_t* to) {
#pragma omp parallel for schedule(static) if (n > enough_for_threads)
  for (int64_t i = 0; i < n; ++i) to[i] = nearest_bf16(from[i]);
}

}  // namespace tacet
