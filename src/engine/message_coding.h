// What a client's vector is on its way to the others: as it is, or coded in fewer bits. Coding is per client and keeps to
// fixed blocks, so the sum of what arrives does not depend on which rank hosts whom. Knows no method and no network but
// Group.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/tree_sum.h"
#include "tacet/algorithm.h"

namespace tacet {

// f32: 4 bytes a value, the vector itself. bf16: 2 bytes, rounded to nearest, ties to even. int8: 1 byte and, for each
// block, a float s = max|v|/127; a value is s times a whole number of −127 … 127, to nearest, ties to even.
enum class MessageKind { f32, bf16, int8 };
// "f32", "bf16" or "int8".
MessageKind message_kind(const std::string& word);

constexpr int64_t message_block = 256;  // values; the last block of a vector is what is left

// 4-byte words that the first n values of a vector take, n being a multiple of message_block or all of them.
int64_t message_words(MessageKind kind, int64_t n);

// Codes v − reference + residual, n values, to message_words() words; what the code leaves out becomes the new residual.
// That is kept as int8 words itself, since it is copied and saved like all of a client's state. reference and residual may
// be null: 0, and then nothing is kept. A block with a value that is not finite comes out as NaN (int8).
void encode(MessageKind kind, const float* v, const float* reference, float* residual, int64_t n, float* words);
// The values [first, first + n) of what was coded; first is a multiple of message_block.
void decode(MessageKind kind, const float* words, int64_t first, int64_t n, float* out);

// The messages of a run: their kind, and what int8 has left out so far, which each client adds to its next message of the
// same use (error feedback: Seide et al., Interspeech 2014; Karimireddy et al., ICML 2019). bf16 keeps nothing.
class MessageCoder {
 public:
  explicit MessageCoder(MessageKind k) : kind(k) {}

  // The client's `count` vectors as one message; the first one is near `reference`, if that is defined. A client that sends
  // nothing this time codes zeros and keeps its residuals. The words stay until the next call.
  const float* code(const Client& client, const std::vector<Vec>& vectors, const Vec& reference, bool sends);
  // The same, decoded: one vector after the other. The values stay until the next call.
  const float* decoded(int count, int64_t d);

  void state(StateVisitor& v);

  const MessageKind kind;

 private:
  float* residual_of(const Client& client, size_t use, int64_t words);

  // By use: models that are near a common one; then the first, the second, … of the other vectors.
  static constexpr const char* uses[] = {"residual.model", "residual.first", "residual.second"};
  std::array<PerClient, 3> residuals_;
  std::vector<float> words_, values_, zeros_;
};

// Whether messages travel coded: where every rank has at most one of the positions, and no other rank beside it on its host.
// Elsewhere ranks add up what arrived, and sums travel as floats.
bool travels_coded(const Group& group, const std::vector<int64_t>& bounds);

// What rank q gives for its position: `count` coded vectors, and floats that are added as they are, the last one being the
// weight of the vectors.
struct CodedLeaf {
  const float* words;
  const float* rest;
};

// tree_sum() of the decoded vectors times their weight, followed by `rest` floats: the same bits. shape.parts are those of
// tree_sum(): `count` vectors of the same size, then the rest. `leaf` is called for one's own position, if there is one.
// Collective. Each rank sends its message to all, or, where that is less, slices of it, and slices of the sum.
at::Tensor message_sum(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, MessageKind kind, int count,
                       const std::function<CodedLeaf(int64_t p)>& leaf, SumBuffers& buffers);

}  // namespace tacet
