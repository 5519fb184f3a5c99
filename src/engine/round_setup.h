// What a round is made of and what it leaves behind. The driver (src/train) or a test fills the one in and reads the other;
// an algorithm sees neither.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tacet/algorithm.h"

namespace tacet {

class Group;
class MessageCoder;
class SumBuffers;

struct RoundSetup {
  Objective* objective = nullptr;
  Group* group = nullptr;
  uint64_t seed = 0;
  int64_t number = 0;                         // r
  int64_t first_iteration = 0;                // local steps a client took before this round
  int interval = 1;                           // I
  int clients = 1;                            // N
  std::vector<int> sampled;                   // S_r, ascending client ids
  int64_t first_draw = 0;                     // begin() draws far from round 0, so that no mini-batch is drawn twice
  bool skip_non_finite = false;               // instead of stopping at a loss or gradient that is not finite
  const std::atomic<bool>* stop = nullptr;    // set by a signal: carried to all ranks by the next mean; may be null
  const std::atomic<bool>* broken = nullptr;  // set when a worker is lost: the next gradient throws PeerLost; may be null
  MessageCoder* messages = nullptr;           // the coder of clients' vectors; null: they travel as they are
  SumBuffers* buffers = nullptr;              // memory that is kept from round to round; may be null
  std::function<void(int client)> before;     // told before a client's first turn on this rank; may be empty
  // From this moment on a client that asks for a gradient is dropped: `dropped` puts back what its turn has changed, and
  // its vectors stay out of the mean, which is over those that came. For methods of one mean a round
  // (AlgorithmInfo::droppable).
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::function<void(int client)> dropped;  // given with a deadline
  std::function<Rates(int t)> rates;        // schedule at local step t of this round, before the objective's rate scale
};

// Sums over the local steps of a round, gathered from all clients by the same message as the means.
struct Counters {
  double loss = 0, losses = 0;    // Σ mini-batch loss, their number
  double norm = 0, norms = 0;     // Σ ‖g‖ of the vectors that were (or could be) clipped, their number
  double clipped = 0, steps = 0;  // steps with γ/‖g‖ < η, steps in all
  double samples = 0;             // training samples seen
  double skipped = 0;             // gradients that were not finite, where the recipe says to go on without them
  double stop = 0;                // > 0: some rank was asked to stop; all ranks learn it from the same mean
};

struct RoundReport {
  Counters counters;
  std::map<std::string, double> notes;  // by name; equal on all ranks
  int collectives = 0;
  int64_t client_bytes = 0;  // of one client's messages, coded, parameters and buffers
  std::vector<int> late;     // clients that did not come in time, ascending
  double busy_seconds = 0;   // this rank's own time in its clients' turns
};

// Thrown by a mean when the deadline passed before any client had finished its turn; on every rank alike.
struct NobodyCame {};

}  // namespace tacet
