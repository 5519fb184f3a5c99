// The sum of what clients' turns return: vectors, buffers and counters behind them, coded on the way where the recipe asks.
// The turns themselves are round.cc's.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/message_coding.h"
#include "engine/round_setup.h"
#include "engine/tree_sum.h"
#include "tacet/algorithm.h"
#include "tacet/group.h"

namespace tacet {

// Returns the layout of the sum: `count` vectors, buffers, and the tail. The tail has the counters, with a deadline a 1 for
// each of the `places` clients that came, and the weight. `divisor` is that of the mean; 0 leaves the division for later.
SumShape shape_of(int count, int64_t d, int64_t b, int64_t places, int64_t divisor);

// Returns the coder, or null where vectors are sent as floats or a single client has nobody to send to.
MessageCoder* coded_messages(const RoundSetup& s);

// The coding of vectors on their way. Without messages they are sent as floats.
struct Coding {
  MessageCoder* messages;
  MeanVectors of;
};

// Returns the coding of `count` vectors of these layers, which are a part of the model or, with part 0, all of it.
Coding coding_of(const RoundSetup& s, int count, const Vec& reference, std::span<const Layer> layers, int part);

// Returns the words of one such vector in a client's message.
int64_t words_of(const RoundSetup& s, std::span<const Layer> layers);

// A client's turn, to be added up. The tail ends with the weight of vectors and buffers.
struct Sent {
  Client client;
  const std::vector<Vec>* vectors = nullptr;
  const float* buffers = nullptr;
  const float* tail = nullptr;
};

// Adds up the turns that `sent` returns for this rank's positions, as tree_sum() does, coded on the way where `coding` asks
// for it.
at::Tensor sum_of(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, const Coding& coding,
                  const std::function<Sent(int64_t position)>& sent, SumBuffers& memory);

}  // namespace tacet
