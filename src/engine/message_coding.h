// The coding of clients' vectors on their way to the others, as floats or in fewer bits. Coding is per client and keeps to
// fixed blocks, so the sum of the decoded vectors does not depend on placement. It knows no method, and no network but
// Group.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/sparse_coding.h"
#include "engine/tree_sum.h"
#include "tacet/algorithm.h"

namespace tacet {

// f32 takes 4 bytes a value and is the vector itself. bf16 takes 2 bytes, rounded to nearest, ties to even. int8 takes 1
// byte and, for each block, a float s = max|v|/127; a value is s times a whole number of −127 … 127, to nearest, ties to
// even. topk sends the largest values alone (sparse_coding.h).
enum class MessageKind { f32, bf16, int8, topk };
// Returns the kind of that name: "f32", "bf16", "int8" or "topk".
MessageKind message_kind(const std::string& word);

constexpr int64_t message_block = 256;  // values of any kind but topk; a vector's last block may be shorter

// Returns the 4-byte words that the first n values of a vector take in any kind but topk. n is a multiple of message_block
// or all of them.
int64_t message_words(MessageKind kind, int64_t n);

// The layout of a vector in a message: blocks, each of which is coded by itself.
struct MessageLayout {
  MessageKind kind = MessageKind::f32;
  int64_t values = 0;
  bool two_bits = false;                 // of topk's values
  std::vector<SparseChunk> chunks = {};  // topk's blocks, with the empty one at the end

  int64_t blocks() const;
  // Return the first value and the first word of a block, or the ends for block blocks().
  int64_t value_at(int64_t block) const;
  int64_t word_at(int64_t block) const;
  int64_t words() const { return word_at(blocks()); }
};

// Returns the layout of a vector that holds these layers.
MessageLayout message_layout(MessageKind kind, const SparseOptions& sparse, std::span<const Layer> layers);

// Codes n values of v − reference + residual into message_words() words. The difference to the decoded values becomes the
// new residual, which is kept as int8 words itself, since it is copied and saved like all of a client's state. A null
// reference stands for 0. A null residual stands for 0 and keeps nothing. In int8, a block with a value that is not finite
// comes out as NaN.
void encode(MessageKind kind, const float* v, const float* reference, float* residual, int64_t n, float* words);
// Decodes the values [first, first + n) of a coded vector. first is a multiple of message_block.
void decode(MessageKind kind, const float* words, int64_t first, int64_t n, float* out);

// Codes a vector v − reference + β · residual as topk's message. The difference to the decoded values becomes the new
// residual, which is kept as floats. A null reference and a null residual stand for 0.
void encode_sparse(const MessageLayout& layout, double beta, const float* v, const float* reference, float* residual,
                   float* words);

// The vectors of one mean, as a coder sees them.
struct MeanVectors {
  int count = 1;
  Vec reference = {};           // the first one is near it; may be undefined
  MessageLayout layout = {};    // of each
  int part = 0;                 // number of the model's part that they are of; 0 for all of it
  std::vector<int> which = {};  // numbers of those behind the first, 1 or 2; empty: 1, 2
};

// The kind of a run's messages, and the residuals of int8 and topk, each of which a client adds to its next message of that
// use (error feedback: Seide et al., Interspeech 2014; Karimireddy et al., ICML 2019). bf16 keeps nothing. Where the method
// sends one part of the model after the other, each of the `parts` has residuals of its own.
class MessageCoder {
 public:
  explicit MessageCoder(MessageKind k, SparseOptions s = {}, int parts = 1);

  // Returns the client's vectors as one message. A client that sends nothing this time codes zeros and keeps its residuals.
  // The words stay until the next call.
  const float* code(const Client& client, const std::vector<Vec>& vectors, const MeanVectors& of, bool sends);
  // Returns the vectors that code() has coded last, decoded, one after the other. The values stay until the next call.
  const float* decoded(const MeanVectors& of);

  void state(StateVisitor& v);

  const MessageKind kind;
  const SparseOptions sparse;  // topk's

 private:
  // Returns which of the residuals the k-th vector of a message has.
  static size_t use_of(const MeanVectors& of, size_t k);
  float* residual_of(const Client& client, size_t use, int64_t words);

  // The residuals by use: models that are near a common one, then the first and the second of the other vectors, then the
  // parts but the first.
  std::vector<std::string> uses_ = {"residual.model", "residual.first", "residual.second"};
  std::deque<PerClient> residuals_;
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
// those of tree_sum(): `count` vectors of that layout, then the rest. `leaf` is called for this rank's position, if it has
// one. Each rank sends its message to all, or, where that is less, slices of it and of the sum. Collective.
at::Tensor message_sum(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, const MessageLayout& layout,
                       int count, const std::function<CodedLeaf(int64_t p)>& leaf, SumBuffers& buffers);

}  // namespace tacet
