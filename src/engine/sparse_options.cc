// See sparse_options.h.
#include "engine/sparse_options.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tacet {
namespace {

// Returns the words of so many numbers of `bits` bits.
int64_t packed_words(int64_t n, int64_t bits) { return (n * bits + 31) / 32; }

}  // namespace

void SparseOptions::options(OptionList& o) {
  const std::vector<OnlyWith> topk = {{"message", {"topk"}}};
  o.number("density", density, density, left_open(0, 1),
           "share of each chunk's values that topk sends, the largest ones; one at least")
      .only_with = topk;
  o.integer("chunk", chunk, chunk, within(1, most_in_chunk),
            "values in a chunk of a matrix or a convolution with topk; a vector's chunk is its largest divisor up to 64")
      .only_with = topk;
  o.text("values", values, values, {"f32", "2bit"},
         "what a value takes that topk sends: f32, 4 bytes; 2bit, 2 bits and four floats a chunk")
      .only_with = topk;
  o.number("feedback", feedback, feedback, within(0, 1),
           "β of topk: a client adds β times what its message left out to its next one; 0 forgets it, 1 loses nothing")
      .only_with = topk;
}

int64_t kept_of(int64_t n, double density) {
  return std::clamp<int64_t>(std::llround(density * static_cast<double>(n)), 1, n);
}

int64_t sparse_words(int64_t size, int64_t kept, bool two_bits) {
  return place_words(size, kept) + (uses_codes(kept, two_bits) ? table_words + packed_words(kept, 2) : kept);
}

int64_t place_words(int64_t size, int64_t kept) { return kept < size ? packed_words(kept, 12) : 0; }

bool uses_codes(int64_t kept, bool two_bits) { return two_bits && table_words + packed_words(kept, 2) < kept; }

}  // namespace tacet
