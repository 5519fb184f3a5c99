// See message_coding.h.
#include "engine/message_coding.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <set>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "base/multiversion.h"

namespace tacet {
namespace {

constexpr int64_t grain = 64;  // least number of blocks for a thread

int64_t blocks_of(int64_t n) { return (n + message_block - 1) / message_block; }

uint16_t to_bf16(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>(v != v ? 0x7fc0u : rounded);
}

float from_bf16(uint16_t code) {
  const uint32_t bits = static_cast<uint32_t>(code) << 16;
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

// The following code and decode one block, n ≤ message_block values.

TACET_MULTIVERSION void bf16_encode(const float* v, int64_t n, float* words) {
  uint16_t code[message_block];
  for (int64_t i = 0; i < n; ++i) code[i] = to_bf16(v[i]);
  if (n % 2 == 1) code[n] = 0;
  std::memcpy(words, code, static_cast<size_t>((n + 1) / 2) * sizeof(float));
}

TACET_MULTIVERSION void bf16_decode(const float* words, int64_t n, float* out) {
  uint16_t code[message_block];
  std::memcpy(code, words, static_cast<size_t>((n + 1) / 2) * sizeof(float));
  for (int64_t i = 0; i < n; ++i) out[i] = from_bf16(code[i]);
}

TACET_MULTIVERSION void int8_encode(const float* v, int64_t n, float* words) {
  constexpr float least = 1e-30f;       // a smaller maximum might overflow 127/max, so the block counts as zeros
  constexpr float to_whole = 12582912;  // 1.5·2^23: adding it rounds to a whole number, ties to even
  float most = 0;
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    const float size = std::fabs(v[i]);
    most = size > most ? size : most;
    finite = finite && size <= std::numeric_limits<float>::max();
  }
  auto* code = reinterpret_cast<int8_t*>(words + 1);
  std::fill_n(words + 1, std::max<int64_t>(0, n + 3) / 4, 0.0f);
  words[0] = !finite ? std::numeric_limits<float>::quiet_NaN() : most < least ? 0 : most / 127;
  if (!finite || most < least) return;
  const float times = 127 / most;
  for (int64_t i = 0; i < n; ++i) {
    const float whole = (v[i] * times + to_whole) - to_whole;
    code[i] = static_cast<int8_t>(static_cast<int32_t>(whole));
  }
}

TACET_MULTIVERSION void int8_decode(const float* words, int64_t n, float* out) {
  const float scale = words[0];
  const auto* code = reinterpret_cast<const int8_t*>(words + 1);
  for (int64_t i = 0; i < n; ++i) out[i] = scale * static_cast<float>(code[i]);
}

void encode_block(MessageKind kind, const float* v, int64_t n, float* words) {
  if (kind == MessageKind::f32) std::copy(v, v + n, words);
  if (kind == MessageKind::bf16) bf16_encode(v, n, words);
  if (kind == MessageKind::int8) int8_encode(v, n, words);
}

void decode_block(MessageKind kind, const float* words, int64_t n, float* out) {
  if (kind == MessageKind::f32) std::copy(words, words + n, out);
  if (kind == MessageKind::bf16) bf16_decode(words, n, out);
  if (kind == MessageKind::int8) int8_decode(words, n, out);
}

// Decodes one block of a layout, whose words and values these are.
void decode_block(const MessageLayout& layout, int64_t block, const float* words, float* out) {
  if (layout.kind == MessageKind::topk) return sparse_decode(layout.chunks[block], layout.two_bits, words, out);
  decode_block(layout.kind, words, layout.value_at(block + 1) - layout.value_at(block), out);
}

// Adds up vectors of n floats by the tree of tree_sum.h, in place. The sum lands in the first.
void add_tree(const std::vector<float*>& leaves, int64_t n) {
  for (size_t width = 1; width < leaves.size(); width *= 2)
    for (size_t p = 0; p + width < leaves.size(); p += 2 * width)
      for (int64_t i = 0; i < n; ++i) leaves[p][i] += leaves[p + width][i];
}

}  // namespace

MessageKind message_kind(const std::string& word) {
  if (word == "topk") return MessageKind::topk;
  return word == "bf16" ? MessageKind::bf16 : word == "int8" ? MessageKind::int8 : MessageKind::f32;
}

int64_t message_words(MessageKind kind, int64_t n) {
  assert(kind != MessageKind::topk);
  if (kind == MessageKind::f32) return n;
  if (kind == MessageKind::bf16) return (n + 1) / 2;
  return blocks_of(n) + (n + 3) / 4;
}

int64_t MessageLayout::blocks() const {
  return kind == MessageKind::topk ? static_cast<int64_t>(chunks.size()) - 1 : blocks_of(values);
}

int64_t MessageLayout::value_at(int64_t block) const {
  return kind == MessageKind::topk ? chunks[block].first : std::min(block * message_block, values);
}

int64_t MessageLayout::word_at(int64_t block) const {
  return kind == MessageKind::topk ? chunks[block].word : message_words(kind, value_at(block));
}

MessageLayout message_layout(MessageKind kind, const SparseOptions& sparse, std::span<const Layer> layers) {
  MessageLayout layout{kind};
  for (const Layer& layer : layers) layout.values += layer.size;
  if (kind == MessageKind::topk) layout.chunks = sparse_chunks(layers, sparse);
  layout.two_bits = sparse.in_two_bits();
  return layout;
}

void encode(MessageKind kind, const float* v, const float* reference, float* residual, int64_t n, float* words) {
  at::parallel_for(0, blocks_of(n), grain, [&](int64_t first, int64_t last) {
    float given[message_block], other[message_block];
    for (int64_t b = first; b < last; ++b) {
      const int64_t at = b * message_block, size = std::min(message_block, n - at);
      float* code = words + message_words(kind, at);
      for (int64_t i = 0; i < size; ++i) given[i] = reference ? v[at + i] - reference[at + i] : v[at + i];
      if (!residual) {
        encode_block(kind, given, size, code);
        continue;
      }
      float* left_out = residual + message_words(MessageKind::int8, at);
      int8_decode(left_out, size, other);
      for (int64_t i = 0; i < size; ++i) given[i] += other[i];
      encode_block(kind, given, size, code);
      decode_block(kind, code, size, other);
      for (int64_t i = 0; i < size; ++i) given[i] -= other[i];
      int8_encode(given, size, left_out);
    }
  });
}

void decode(MessageKind kind, const float* words, int64_t first, int64_t n, float* out) {
  assert(first % message_block == 0);
  at::parallel_for(0, blocks_of(n), grain, [&](int64_t b, int64_t last) {
    for (; b < last; ++b) {
      const int64_t at = b * message_block;
      decode_block(kind, words + message_words(kind, first + at), std::min(message_block, n - at), out + at);
    }
  });
}

void encode_sparse(const MessageLayout& layout, double beta, const float* v, const float* reference, float* residual,
                   float* words) {
  const auto kept = static_cast<float>(beta);
  at::parallel_for(0, layout.blocks(), 4, [&](int64_t c, int64_t last) {
    std::vector<float> given(most_in_chunk), sent(most_in_chunk);
    for (; c < last; ++c) {
      const SparseChunk& chunk = layout.chunks[c];
      const int64_t at = chunk.first;
      for (int64_t i = 0; i < chunk.size; ++i) given[i] = reference ? v[at + i] - reference[at + i] : v[at + i];
      for (int64_t i = 0; residual && i < chunk.size; ++i) given[i] += kept * residual[at + i];
      sparse_encode(chunk, layout.two_bits, given.data(), words + chunk.word);
      if (!residual) continue;
      sparse_decode(chunk, layout.two_bits, words + chunk.word, sent.data());
      for (int64_t i = 0; i < chunk.size; ++i) residual[at + i] = given[i] - sent[i];
    }
  });
}

MessageCoder::MessageCoder(MessageKind k, SparseOptions s, int parts) : kind(k), sparse(std::move(s)) {
  for (int part = 1; part < parts; ++part) uses_.push_back("residual.part" + std::to_string(part));
  for (size_t use = 0; use < uses_.size(); ++use) residuals_.emplace_back();
}

size_t MessageCoder::use_of(const MeanVectors& of, size_t k) {
  if (of.part > 0) return static_cast<size_t>(of.part) + 2;
  if (!of.reference.defined()) return k + 1;
  return k == 0 || of.which.empty() ? k : static_cast<size_t>(of.which[k - 1]);
}

const float* MessageCoder::code(const Client& client, const std::vector<Vec>& vectors, const MeanVectors& of, bool sends) {
  const int64_t d = of.layout.values, words = of.layout.words();
  words_.resize(vectors.size() * static_cast<size_t>(words));
  zeros_.resize(sends ? 0 : static_cast<size_t>(d));
  for (size_t k = 0; k < vectors.size(); ++k) {
    const bool has_reference = k == 0 && of.reference.defined();
    const size_t use = use_of(of, k);
    assert(use < residuals_.size() && (of.part == 0 || vectors.size() == 1));
    const bool is_sparse = kind == MessageKind::topk;
    float* residual = nullptr;
    if (sends && (is_sparse || kind == MessageKind::int8)) residual = residual_of(client, use, is_sparse ? d : words);
    const float* v = sends ? vectors[k].data_ptr<float>() : zeros_.data();
    const float* reference = sends && has_reference ? of.reference.data_ptr<float>() : nullptr;
    float* out = words_.data() + static_cast<int64_t>(k) * words;
    if (is_sparse)
      encode_sparse(of.layout, sparse.feedback, v, reference, residual, out);
    else
      encode(kind, v, reference, residual, d, out);
  }
  return words_.data();
}

float* MessageCoder::residual_of(const Client& client, size_t use, int64_t words) {
  PerClient& residuals = residuals_[use];
  const Vec& kept = residuals.has(client) ? residuals.all().at(client.id()) : residuals.at(client, at::empty({words}));
  return kept.data_ptr<float>();
}

const float* MessageCoder::decoded(const MeanVectors& of) {
  const int64_t d = of.layout.values;
  values_.resize(static_cast<size_t>(of.count * d));
  for (int k = 0; k < of.count; ++k) {
    const float* words = words_.data() + k * of.layout.words();
    float* out = values_.data() + k * d;
    at::parallel_for(0, of.layout.blocks(), grain, [&](int64_t b, int64_t last) {
      for (; b < last; ++b) decode_block(of.layout, b, words + of.layout.word_at(b), out + of.layout.value_at(b));
    });
  }
  return values_.data();
}

void MessageCoder::state(StateVisitor& v) {
  for (size_t use = 0; use < residuals_.size(); ++use) v.clients(uses_[use], residuals_[use]);
}

bool travels_coded(const Group& group, const std::vector<int64_t>& bounds) {
  const std::vector<int> hosts = group.hosts();
  if (group.size() == 1 || std::set<int>(hosts.begin(), hosts.end()).size() != hosts.size()) return false;
  for (size_t q = 0; q + 1 < bounds.size(); ++q)
    if (bounds[q + 1] - bounds[q] > 1) return false;
  return true;
}

namespace {

// One call of message_sum().
class CodedSum {
 public:
  CodedSum(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, const MessageLayout& layout, int count,
           SumBuffers& buffers)
      : group_(group),
        shape_(shape),
        layout_(layout),
        count_(count),
        d_(shape.parts.front()),
        words_(layout.words()),
        size_(std::accumulate(shape.parts.begin(), shape.parts.end(), int64_t{0})),
        rest_(size_ - count * d_),
        buffers_(buffers) {
    assert(count >= 1);
    for (int q = 0; q < group.size(); ++q)
      if (bounds[q] < bounds[q + 1]) senders_.push_back(q);
    // Compares the words sent to each rank, times the number of ranks: whole messages, or a slice of each message and of the
    // sum.
    whole_ = words_ * group.size() <= words_ + d_;
  }

  at::Tensor run(const std::function<CodedLeaf(int64_t)>& leaf) {
    const int me = group_.rank();
    const auto mine = std::find(senders_.begin(), senders_.end(), me);
    leaves_.resize(senders_.size());
    if (mine != senders_.end()) leaves_[mine - senders_.begin()] = leaf(mine - senders_.begin());
    swap_messages(mine != senders_.end() ? &leaves_[mine - senders_.begin()] : nullptr);
    result_ = buffers_.result(size_);
    out_ = result_.data_ptr<float>();
    for (int k = 0; k < count_; ++k) add_vector(k);
    add_rest();
    if (!whole_) swap_sums();
    return std::move(result_);
  }

 private:
  // Blocks [first, last) of a vector.
  struct Range {
    int64_t first, last;
  };
  Range slice(int q) const {
    const int64_t blocks = layout_.blocks(), ranks = group_.size();
    if (whole_) return {0, blocks};
    return {blocks * q / ranks, blocks * (q + 1) / ranks};
  }
  int64_t words_in(Range r) const { return layout_.word_at(r.last) - layout_.word_at(r.first); }
  int64_t values_in(Range r) const { return layout_.value_at(r.last) - layout_.value_at(r.first); }

  // Receives this rank's slice of every message's vectors and all of its rest, one behind the other in one room.
  void swap_messages(const CodedLeaf* mine) {
    const int me = group_.rank();
    std::vector<std::vector<Piece>> to(group_.size()), from(group_.size());
    const int64_t in = words_in(slice(me));
    for (size_t p = 0; p < senders_.size(); ++p) {
      if (senders_[p] == me) continue;
      float* room = buffers_.vector(p, count_ * in + rest_);
      leaves_[p] = {room, room + count_ * in};
      for (int k = 0; k < count_; ++k) from[senders_[p]].push_back({room + k * in, in});
      from[senders_[p]].push_back({room + count_ * in, rest_});
    }
    for (int q = 0; mine && q < group_.size(); ++q) {
      if (q == me) continue;
      const Range theirs = slice(q);
      // A piece to send is not written to.
      for (int k = 0; k < count_; ++k)
        to[q].push_back({const_cast<float*>(mine->words) + k * words_ + layout_.word_at(theirs.first), words_in(theirs)});
      to[q].push_back({const_cast<float*>(mine->rest), rest_});
    }
    group_.exchange(to, from);
  }

  // Returns the words of a block of vector k of leaf p, which is in this rank's slice.
  const float* coded(size_t p, int k, int64_t block) const {
    const Range mine = slice(group_.rank());
    if (senders_[p] == group_.rank()) return leaves_[p].words + k * words_ + layout_.word_at(block);
    return leaves_[p].words + k * words_in(mine) + (layout_.word_at(block) - layout_.word_at(mine.first));
  }

  void add_vector(int k) {
    // Blocks that are added up at a time have at most that many values.
    constexpr int64_t most = 16 * message_block;
    static_assert(most >= most_in_chunk);
    const int64_t step = layout_.kind == MessageKind::topk ? 1 : 16;
    const Range mine = slice(group_.rank());
    at::parallel_for(0, (mine.last - mine.first + step - 1) / step, 4, [&](int64_t c, int64_t last) {
      std::vector<float> room(leaves_.size() * most);
      std::vector<float*> values;
      for (size_t p = 0; p < leaves_.size(); ++p) values.push_back(room.data() + p * most);
      for (; c < last; ++c) {
        const Range these = {mine.first + c * step, std::min(mine.first + (c + 1) * step, mine.last)};
        const int64_t at = layout_.value_at(these.first), n = values_in(these);
        for (size_t p = 0; p < leaves_.size(); ++p) {
          for (int64_t b = these.first; b < these.last; ++b)
            decode_block(layout_, b, coded(p, k, b), values[p] + (layout_.value_at(b) - at));
          const float weight = leaves_[p].rest[rest_ - 1];
          for (int64_t i = 0; weight != 1 && i < n; ++i) values[p][i] = weight * values[p][i];
        }
        add_tree(values, n);
        put(values[0], k * d_ + at, n);
      }
    });
  }

  void add_rest() {
    std::vector<float> room;
    std::vector<float*> values;
    for (const CodedLeaf& leaf : leaves_) room.insert(room.end(), leaf.rest, leaf.rest + rest_);
    for (size_t p = 0; p < leaves_.size(); ++p) values.push_back(room.data() + static_cast<int64_t>(p) * rest_);
    add_tree(values, rest_);
    put(values[0], count_ * d_, rest_);
  }

  void put(const float* sum, int64_t at, int64_t n) {
    const int64_t divided = shape_.divisor == 1 ? 0 : std::clamp<int64_t>(shape_.divided - at, 0, n);
    for (int64_t i = 0; i < divided; ++i) out_[at + i] = sum[i] / shape_.divisor;
    std::copy(sum + divided, sum + n, out_ + at + divided);
  }

  void swap_sums() {
    const int me = group_.rank();
    std::vector<std::vector<Piece>> to(group_.size()), from(group_.size());
    for (int q = 0; q < group_.size(); ++q)
      for (int k = 0; q != me && k < count_; ++k) {
        to[q].push_back({out_ + k * d_ + layout_.value_at(slice(me).first), values_in(slice(me))});
        from[q].push_back({out_ + k * d_ + layout_.value_at(slice(q).first), values_in(slice(q))});
      }
    group_.exchange(to, from);
  }

  Group& group_;
  const SumShape& shape_;
  const MessageLayout& layout_;
  const int count_;
  const int64_t d_, words_, size_, rest_;
  SumBuffers& buffers_;
  std::vector<int> senders_;  // ranks with a position, in the order of positions
  bool whole_ = false;
  std::vector<CodedLeaf> leaves_;
  at::Tensor result_;
  float* out_ = nullptr;
};

}  // namespace

at::Tensor message_sum(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, const MessageLayout& layout,
                       int count, const std::function<CodedLeaf(int64_t p)>& leaf, SumBuffers& buffers) {
  return CodedSum(group, bounds, shape, layout, count, buffers).run(leaf);
}

}  // namespace tacet
