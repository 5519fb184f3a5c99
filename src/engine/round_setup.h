// The parts of a round and its report. The driver (src/train) or a test fills in the parts and reads the report. An
// algorithm sees neither.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/drift.h"
#include "tacet/algorithm.h"

namespace tacet {

class Group;
class MessageCoder;
class SumBuffers;

// First draw of Algorithm::begin, far from those of round 0, so that no mini-batch comes twice.
constexpr int64_t begin_draws = int64_t{1} << 31;

struct RoundSetup {
  Objective* objective = nullptr;
  Group* group = nullptr;
  uint64_t seed = 0;
  int64_t number = 0;                    // r
  int64_t first_iteration = 0;           // local steps a client took before this round
  int interval = 1;                      // I
  int mean_interval = 0;                 // I on average, where the method draws it; 0: I
  std::function<int(int client)> steps;  // local steps of each client, the most of which are I; empty: I of each
  int clients = 1;                       // N
  std::vector<int> sampled;              // S_r, ascending client ids; empty only where each client is drawn by itself
  std::vector<int64_t> bounds = {};  // bounds of the ranks among the positions of S_r; empty: turns are where clients live
  double mean_sampled = 0;           // |S_r| on average, where clients are drawn by themselves; 0: |S_r|
  int64_t first_draw = 0;            // number of the round's first draw; begin_draws in begin()
  bool system_noise = false;         // Round::normals draws from the system's random numbers, not from the seed
  bool skip_non_finite = false;      // skip a step whose loss or gradient is not finite, instead of stopping
  const std::atomic<bool>* stop = nullptr;    // true after a signal; the next mean tells all ranks; may be null
  const std::atomic<bool>* broken = nullptr;  // true when a worker is lost; the next gradient throws PeerLost; may be null
  MessageCoder* messages = nullptr;           // coder of clients' vectors; null: they are sent as floats
  SumBuffers* buffers = nullptr;              // memory that is kept from round to round; may be null
  std::function<void(int client)> before;     // called before a client's first turn on this rank; may be empty
  // The moment from which a client that asks for a gradient is dropped. `dropped` puts back what its turn has changed, and
  // the mean is over the clients that came. It is for methods of one mean a round (AlgorithmInfo::droppable).
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::function<void(int client)> dropped;  // given with a deadline
  int drift_models = 0;                     // clients of this rank, the first ones of the round, whose models are kept a
                                            // while to fill in RoundReport::drift
  bool bounded_drift = false;               // no local step is longer than γ, so that the drift has a bound
  std::function<Rates(int t)> rates;        // schedule at local step t of this round, before the objective's rate scale
};

// Sums over the local steps of a round, gathered from all clients in the messages of the means.
struct Counters {
  double loss = 0, losses = 0;     // Σ mini-batch loss, their number
  double norm = 0, norms = 0;      // Σ ‖g‖ of the vectors that were (or could be) clipped, their number
  double clipped = 0, steps = 0;   // steps with γ/‖g‖ < η, steps in all
  double samples = 0;              // training samples of local steps
  double extra_samples = 0;        // training samples of gradients that belong to no local step (Client::resample)
  double correct = 0, judged = 0;  // training samples of local steps that were classified right, and classified at all
  double skipped = 0;              // gradients that were not finite, where the recipe skips them
  double stop = 0;                 // > 0: a rank was asked to stop, which all ranks learn from one mean
};

struct RoundReport {
  Counters counters;
  std::map<std::string, double> notes;  // by name; equal on all ranks
  int collectives = 0;
  int64_t client_bytes = 0;     // bytes of one client's messages as coded, parameters and buffers
  std::vector<int> late;        // clients that did not come in time, ascending
  Drift drift;                  // of this rank's clients
  double busy_seconds = 0;      // this rank's own time in its clients' turns, waiting for a started mean included
  double gradient_seconds = 0;  // of it, in the gradients of local steps
  bool overlaps = false;        // an exchange ran beside local steps (Round::start_mean)
};

// The exception of a mean without a client: nobody was drawn, or the deadline passed before any client had finished its
// turn. Every rank throws it.
struct NobodyCame {};

}  // namespace tacet
