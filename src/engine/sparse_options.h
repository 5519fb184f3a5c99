// The choices of sparse messages, and what they make of a chunk's size. The coding itself is sparse_coding's. No torch here.
#pragma once

#include <cstdint>
#include <string>

#include "tacet/options.h"

namespace tacet {

constexpr int64_t most_in_chunk = 4096;  // values, so that a place takes 12 bits
constexpr int64_t table_words = 4;       // means of the values of each code of two bits

// The choices of algorithm.message = "topk".
struct SparseOptions {
  double density = 1.0 / 64;
  int64_t chunk = most_in_chunk;
  std::string values = "f32";
  double feedback = 0.95;
  void options(OptionList& o);
  bool in_two_bits() const { return values == "2bit"; }
};

// Returns the values of n that are sent: the density's share to nearest, and one at least.
int64_t kept_of(int64_t n, double density);
// Returns the words of a chunk's places, of 12 bits each; none where all values are sent.
int64_t place_words(int64_t size, int64_t kept);
// Returns true if a chunk's values are sent as codes of two bits, with a table of their means before them. Where that would
// not be shorter they are sent as floats.
bool uses_codes(int64_t kept, bool two_bits);
// Returns the 4-byte words of a chunk: its places and its values.
int64_t sparse_words(int64_t size, int64_t kept, bool two_bits);

}  // namespace tacet
