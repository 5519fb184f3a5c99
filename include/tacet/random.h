// Counter-based random streams: the n-th number of a stream is a pure function of (seed, client, purpose, round, step, n).
// There is no generator to advance, save or share, so neither placement nor a restart can change what is drawn.
// The function is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace tacet {

// The purpose of a draw. The values are part of a run's identity: add at the end, never renumber.
enum class Purpose : uint8_t {
  initial_weights = 0,
  client_sampling = 1,
  sequence_length = 2,
  shuffle = 3,
  embedding_dropout = 4,
  input_dropout = 5,
  hidden_dropout = 6,
  output_dropout = 7,
  weight_drop = 8,
  augmentation = 9,
  gradient_noise = 10,
  partition = 11,
  round_length = 12,
  server_noise = 13,
};

// Returns one block of the Philox4x32-10 bijection, four 32-bit words from a 128-bit counter and a 64-bit key.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// An independent sequence of numbers. It is cheap to make (a few words) and copied by value. Equal keys give equal
// sequences.
class Stream {
 public:
  // The key of draws that all clients share, such as the sampled clients of a round.
  static constexpr int everyone = 0xffffff;

  // Makes the sequence of a key. client: 0 … 2^24−2, or `everyone`. round and step: 0 … 2^32−1.
  Stream(uint64_t seed, int client, Purpose purpose, int64_t round, int64_t step);

  uint32_t bits();                                                    // uniform on 32 bits
  double uniform();                                                   // [0, 1), 53 bits
  double normal();                                                    // mean 0, variance 1 (Box–Muller, one number a call)
  uint64_t below(uint64_t n);                                         // uniform on 0 … n−1 without bias; n ≥ 1
  void fill_uniform(float* out, int64_t n);                           // [0, 1), 24 bits each
  void fill_bernoulli(float* out, int64_t n, double p, float value);  // `value` with probability p, else 0
  std::vector<int64_t> permutation(int64_t n);                        // Fisher–Yates over 0 … n−1
  // Returns an independent stream for the k-th part of this draw, such as a layer's mask. k: 0 … 255.
  Stream part(int k) const;
  // Returns an independent stream for the k-th of any number of draws, of at most `words` numbers of 32 bits each: the k-th
  // part where it has room, else the step 1 + k behind this one. For keys that have no other steps. Throws UserError for
  // more than 2^34 words: a tensor of 64 GiB.
  Stream item(int64_t k, int64_t words) const;

  static constexpr int64_t part_words = int64_t{1} << 26;  // numbers of 32 bits in a part

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;  // [index, step, round, client·256 + purpose]; `part` occupies index's top 8 bits
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace tacet
