// Copies of weights in the order of blocks that oneDNN chooses for them, and back. tacet makes them itself, because oneDNN's
// own copies (its primitive reorder) have been wrong: in 3.7, with AVX-512, many of those into padded blocks were
// (uxlfoundation/oneDNN#3280). Beside its naive twin, the address of one value after the other (tests/kernels). Nothing of
// oneDNN is included here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tacet {

// Sizes, strides and indexes of a tensor of at most four dimensions. Dimensions that it lacks have size 1.
using Dims = std::array<int64_t, 4>;

// An order in memory. A tensor is cut into blocks, and a block into smaller ones, down to single values.
struct BlockOrder {
  struct Inner {
    int dimension;
    int64_t size;
  };
  Dims padded = {1, 1, 1, 1};  // each dimension's size with the zeros that fill its last block
  Dims strides = {};           // values from a block to the next in each dimension
  std::vector<Inner> inner;    // cuts of a block, the outermost first; none: plain rows

  int64_t values() const;  // number of values with the zeros
};

// The way between a plain tensor and its copy. Made once a shape.
class WeightOrder {
 public:
  WeightOrder() = default;
  // A tensor of these sizes whose neighbours in each dimension lie so many values apart.
  WeightOrder(const Dims& sizes, const Dims& strides, const BlockOrder& order);

  bool empty() const { return count_ == 0; }

  // Write all values of `packed`, zeros between them included.
  void pack(const float* plain, float* packed) const;
  void pack(const float* plain, uint16_t* packed) const;  // rounded to bf16
  // Writes all values of `plain`.
  void unpack(const float* packed, float* plain) const;

 private:
  struct Place {
    int64_t plain = 0, packed = 0;
    bool whole = true;    // all of the tile's values are the tensor's
    Dims left, fillable;  // values of the tensor from here on in each dimension, without and with what is padded
  };
  void choose_tile(const BlockOrder& order);
  void tabulate(const BlockOrder& order);
  Place place(int64_t number) const;
  bool within(const Dims& limit, int64_t position) const;
  template <class Copy>
  void each_tile(const Copy& copy) const;
  template <class Out, class Convert>
  void pack_as(const float* plain, Out* packed, const Convert& convert) const;

  Dims sizes_ = {}, strides_ = {}, padded_ = {}, to_strides_ = {};
  Dims tile_ = {}, tiles_ = {};                // a tile's sides, and tiles in each dimension
  Dims to_tile_ = {};                          // values from a tile to the next in `packed`
  std::array<size_t, 4> walk_ = {};            // dimensions in the order in which tiles are visited
  int64_t count_ = 0;                          // tiles
  std::vector<int64_t> from_, to_;             // places of a tile's values in either tensor, by position in the tile
  std::array<std::vector<int64_t>, 4> index_;  // by dimension and position
};

// Rounds n floats to bf16.
void round_values(const float* from, int64_t n, uint16_t* to);

}  // namespace tacet
