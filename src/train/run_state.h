// The driver's state that lives across rounds: the run's progress, its figures so far, NT-ASGD's average, the faults. The
// states of the method, the messages and the data are their own (training.h shows all together).
#pragma once

#include <cstdint>
#include <limits>

#include "tacet/algorithm.h"

namespace tacet {

// The totals over a run's new groups of workers, as rank 0 of each saw them.
struct FaultTotals {
  int64_t groups = 0, lost = 0, rounds_repeated = 0;  // new groups; workers lost; rounds computed twice
  double seconds = 0;                                 // seconds without computing
};

// The sums of the rounds' estimates of the gradient noise scale.
struct NoiseTotals {
  int64_t rounds = 0, left_out = 0;  // rounds with an estimate, and without
  double gradient_square = 0, noise_trace = 0;

  void visit(StateVisitor& v);
};

// The number of measured pairs of models, and their cost.
struct SmoothnessTotals {
  int64_t pairs = 0, left_out = 0;  // measured; due and not measured, as there was no time
  double seconds = 0;

  void visit(StateVisitor& v);
};

struct RunState {
  static constexpr double nan = std::numeric_limits<double>::quiet_NaN();

  Vec x;
  int64_t round = 0, iteration = 0;
  int64_t samples = 0;        // training samples of local steps: the epochs
  int64_t extra_samples = 0;  // those of gradients that belong to no local step
  double seconds = 0;
  int64_t communications = 0, client_bytes = 0, bytes_sent = 0;
  double epoch_loss = 0;  // sum of the training losses of the epoch under way
  int64_t epoch_losses = 0;
  int64_t epoch_steps = 0, epoch_clipped = 0;   // steps of the epoch under way, and those of them that clipped
  int64_t epoch_judged = 0, epoch_correct = 0;  // its samples that were classified, and those of them that were right
  double last_epoch_loss = nan;                 // mean of the last whole epoch
  double next_eval = 0, next_checkpoint = 0, next_gradient = 0;  // epochs
  Vec average;                                                   // NT-ASGD's average; defined once that was triggered
  int64_t averaged = 0;                                          // iterates in the average
  Vec selection_losses;                                          // float64: the selecting split's loss at every evaluation
  Vec intervals;                                                 // float64: the decisions on I; undefined without any
  double best_loss = nan, best_accuracy = nan, best_epoch = nan;
  int64_t best_round = -1;                       // −1: none yet
  double eval_loss = nan, eval_accuracy = nan;   // the selecting split's last evaluation
  int64_t eval_round = -1, gradient_round = -1;  // rounds of the last evaluation, and of the last measured gradient
  int64_t metrics_bytes = 0;
  int64_t taken = 0;    // local steps' gradients that were finite
  int64_t skipped = 0;  // gradients that were not finite
  int64_t late = 0;     // clients' turns that were unfinished at the deadline
  FaultTotals faults;
  NoiseTotals noise;            // saved with run.noise_scale only
  SmoothnessTotals smoothness;  // saved with run.smoothness_every only

  bool stop = false;  // a worker was asked to stop; not saved, so a resumed run goes on

  void visit(StateVisitor& v, bool fresh_models);

  // Returns the model that is evaluated and saved.
  const Vec& model() const { return average.defined() ? average : x; }
  // Returns the mean of the last whole epoch, or of the epoch under way before the first one has ended.
  double train_loss() const;
};

}  // namespace tacet
