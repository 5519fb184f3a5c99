// Sparse messages: of each chunk of a vector the largest values are sent, with their places in it. Here are the chunks of a
// model's layers and the coding of one of them. What a client leaves out, and what becomes of it, is message_coding's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sparse_options.h"
#include "tacet/objective.h"

namespace tacet {

// The values [first, first + size) of a vector, `kept` of which are sent. Their words begin at `word` of the message.
struct SparseChunk {
  int64_t first = 0, size = 0, kept = 0, word = 0;
};

// Cuts the layers of a vector into chunks, none of which reaches over a layer's end. A layer of two or more dimensions has
// chunks of `chunk` values, the last of which may be shorter; another one has chunks of its largest divisor up to 64. An
// empty chunk follows at the end of the values and of the words.
std::vector<SparseChunk> sparse_chunks(std::span<const Layer> layers, const SparseOptions& options);

// Codes the chunk's `size` values, of which those of the largest sizes are sent; of equal ones the first. A value that is
// not finite makes all that are sent NaN.
void sparse_encode(const SparseChunk& chunk, bool two_bits, const float* v, float* words);
// Decodes the chunk's values. Those that were not sent are 0.
void sparse_decode(const SparseChunk& chunk, bool two_bits, const float* words, float* out);

}  // namespace tacet
