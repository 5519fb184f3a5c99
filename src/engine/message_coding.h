// The coding of clients' vectors on their way to the others, as floats or in fewer bits. Coding is per client and keeps to
// fixed blocks, so the sum of the decoded vectors does not depend on placement. It knows no method, and no network but
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

// f32 takes 4 bytes a value and is the vector itself. bf16 takes 2 bytes, rounded to nearest, ties to even. int8 takes 1
// byte and, for each block, a float s = max|v|/127; a value is s times a whole number of −127 … 127, to nearest, ties to
// even.
enum class MessageKind { f32, bf16, int8 };
// Returns the kind of that name: "f32", "bf16" or "int8".
MessageKind message_kind(const std::string& word);

constexpr int64_t message_block = 256;  // values; a vector's last block may be shorter

// Returns the 4-byte words that the first n values of a vector take. n is a multiple of message_block or all of them.
int64_t message_words(MessageKind kind, int64_t n);

// Codes n values of v − reference + residual into message_words() words. The difference to the decoded values becomes the
// new residual, which is kept as int8 words itself, since it is copied and saved like all of a client's state. A null
// reference stands for 0. A null residual stands for 0 and keeps nothing. In int8, a block with a value that is not finite
// comes out as NaN.
void encode(MessageKind kind, const float* v, const float* reference, float* residual, int64_t n, float* words);
// Decodes the values [first, first + n) of a coded vector. first is a multiple of message_block.
void decode(MessageKind kind, const float* words, int64_t first, int64_t n, float* out);

// The kind of a run's messages, and int8's residuals, each of which a client adds to its next message of that use (error
// feedback: Seide et al., Interspeech 2014; Karimireddy et al., ICML 2019). bf16 keeps nothing.
class MessageCoder {
 public:
  explicit MessageCoder(MessageKind k) : kind(k) {}

  // Returns the client's vectors as one message. The first one is near `reference`, if that is defined. A client that sends
  // nothing this time codes zeros and keeps its residuals. The words stay until the next call.
  const float* code(const Client& client, const std::vector<Vec>& vectors, const Vec& reference, bool sends);
  // Returns the `count` vectors of d values that code() has coded last, decoded, one after the other. The values stay until
  // the next call.
  const float* decoded(int count, int64_t d);

  void state(StateVisitor& v);

  const MessageKind kind;

 private:
  float* residual_of(const Client& client, size_t use, int64_t words);

  // The residuals by use: models that are near a common one, then the first and the second of the other vectors.
  static constexpr const char* uses[] = {"residual.model", "residual.first", "residual.second"};
  std::array<PerClient, 3> residuals_;
  std::vector<float> words_, values_, zeros_;
};

// Returns true if messages are sent encoded. That needs at most one position for each rank and one rank for each host.
// Elsewhere ranks add up decoded vectors, and sums are sent as floats.
bool travels_coded(const Group& group, const std::vector<int64_t>& bounds);

// A rank's part for its position: `count` coded vectors, and floats that are added as they are. The last of these is the
// weight of the vectors.
struct CodedLeaf {
  const float* words;
  const float* rest;
};

// Returns the bits of tree_sum() of the decoded vectors times their weight, followed by the `rest` floats. shape.parts are
// those of tree_sum(): `count` vectors of equal size, then the rest. `leaf` is called for this rank's position, if it has
// one. Each rank sends its message to all, or, where that is less, slices of it and of the sum. Collective.
at::Tensor message_sum(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, MessageKind kind, int count,
                       const std::function<CodedLeaf(int64_t p)>& leaf, SumBuffers& buffers);

}  // namespace tacet
