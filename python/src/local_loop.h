// A method that is driven by a program's own loop over mini-batches. The method runs on a thread of its own, unchanged: each
// gradient that it asks for hands control to the program, which computes one at the parameters as they stand and calls
// step(). Each worker is one client. Data, losses and schedules are the program's.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/round_setup.h"
#include "engine/tree_sum.h"
#include "tacet/algorithm.h"
#include "tacet/group.h"
#include "tacet/recipe.h"

namespace tacet {

// All that lives across rounds besides the parameters, as bytes.
struct LoopState {
  int64_t round = 0, iteration = 0;
  std::string numbers, globals, clients;
  int64_t communications = 0, bytes_sent = 0;  // as in LoopFigures
};

// The totals so far, and the figures of the last finished round.
struct LoopFigures {
  int64_t rounds = 0;          // finished ones
  int64_t communications = 0;  // the first one of methods that begin with a mean included
  int64_t bytes_sent = 0;      // of the method's messages, by this worker
  double gradient_norm = 0, clipped_fraction = 0;
  std::map<std::string, double> notes;  // the method's own
};

class LocalLoop {
 public:
  // Takes the flat vectors that the program's parameters and gradients are views of. The recipe's [algorithm] and run.seed
  // count. The method begins at the first step(), at the parameters as they are then. Throws UserError for a method whose
  // clients keep models of their own, and for options that only whole runs implement. REQUIRES: at the first step() the
  // parameters are equal on all ranks.
  LocalLoop(const Recipe& recipe, std::vector<Layer> layers, Vec parameters, Vec gradients, std::shared_ptr<Group> group);
  ~LocalLoop();
  LocalLoop(const LocalLoop&) = delete;
  LocalLoop& operator=(const LocalLoop&) = delete;

  // Hands the gradient over, and returns when the method asks for the next one: the parameters then are where it is to be
  // computed. Returns true if the gradient belonged to a local step, false if it was one that the method draws besides
  // (Client::resample). At a round's end throws UserError if the workers' last rates differ. Throws what the method throws,
  // and again at every later call.
  bool step(Rates rates);
  // Ends the round under way early, at the mean of all workers' parameters. Does nothing between two rounds. Collective.
  void synchronize();
  // Returns true if no step of a round has been taken since the last one ended.
  bool between_rounds() const;

  LoopFigures figures() const { return figures_; }
  // Returns the state of the last round's end. REQUIRES: between_rounds().
  LoopState state() const;
  // Goes on from a state, at the parameters as they are now. REQUIRES: step() has not been called.
  void restore(const LoopState& state);

 private:
  class Handover;
  enum class Turn { program, method, over };
  struct Asked {
    int64_t round = -1, draw = 0, iteration = 0;
  };

  void begin();
  void run();
  void run_round();
  RoundSetup setup();
  void save();
  void wait_for_request();
  void hand_over();

  const Recipe recipe_;
  const AlgorithmInfo& row_;
  const int interval_;  // I, or where the method draws it, I on average
  const uint64_t seed_;
  const std::shared_ptr<Group> group_;
  const std::unique_ptr<Handover> objective_;
  const int threads_;
  Vec parameters_, x_;
  std::unique_ptr<Algorithm> algorithm_;
  SumBuffers buffers_;
  Rates rates_{0, 0};
  LoopState begin_from_, saved_;
  LoopFigures figures_;
  int64_t round_ = 0, iteration_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Turn turn_ = Turn::program;
  bool ending_ = false, cutting_ = false;
  Asked asked_;  // the gradient that the method waits for
  std::exception_ptr error_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace tacet
