// Runs a recipe: rounds, schedules, evaluation, metrics, checkpoints. Writes contract.md's files into a run folder. Drawing
// progress on a terminal is not here (src/cli); a program that embeds tacet may pass its own Observer.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "tacet/objective.h"
#include "tacet/recipe.h"
#include "tacet/task.h"

namespace tacet {

class Group;
class Membership;  // include/tacet/membership.h

// Where a run stands; handed to the observer after every round, on rank 0.
struct Progress {
  double fraction = 0;  // 0 … 1 of the run
  double epoch = 0;
  int64_t round = 0;      // finished rounds
  int64_t iteration = 0;  // local steps per client so far
  double train_loss = 0;  // mean over the round
  double eval_loss = 0;   // of the last evaluation; NaN before the first
  double clipped_fraction = 0;
  int64_t communications = 0;
  int64_t bytes_sent = 0;   // by this worker
  double seconds = 0;       // training only
  bool perplexity = false;  // the losses are per-token cross-entropies
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void progress(const Progress&) {}
  virtual void message(const std::string& /*line*/) {}  // a line worth keeping: evaluations, NT-ASGD's trigger, …
  // Something went wrong and the run goes on: a checkpoint that could not be written, a damaged one that was passed over.
  virtual void warning(const std::string& line) { message("warning: " + line); }
};

struct TrainOptions {
  std::string out;                          // the run's folder; empty: nothing is written
  bool resume = false;                      // continue from out/checkpoint
  const std::atomic<bool>* stop = nullptr;  // set it to end the run after the round in flight, with a checkpoint
  bool rejoin = false;  // this worker was started again during the run: what is in `out` is the run's own
};

struct Evaluation {
  double loss = 0;
  double accuracy = 0;  // NaN where the task has none
};

struct Result {
  std::string status;  // "done" or "interrupted"; "ended": others had finished the run before this worker could join
  Vec x;               // the final model: NT-ASGD's average once that was triggered, else the averaged iterate
  int64_t rounds = 0, iterations = 0, communications = 0, bytes_sent = 0, client_bytes = 0;
  double epoch = 0, seconds = 0;
  double train_loss = 0;                    // mean over the last finished epoch, or over the run when it was shorter
  bool perplexity = false;                  // the losses are per-token cross-entropies
  bool first = true;                        // on rank 0, which writes files and calls the observer
  std::map<std::string, Evaluation> final;  // by split
  std::string model_sha256;                 // of model.safetensors; empty when nothing is written
};

// Trains. Collective: every rank of the group calls it with the same recipe. Only rank 0 writes files and calls the
// observer. clients.count defaults to the number of ranks. Throws UserError or PeerLost; the run folder then says "failed".
Result train(const Recipe& recipe, Group& group, const TrainOptions& options, Observer& observer);
// Trains an objective of the caller's own, on each rank another object. The recipe names it in [objective] and has neither
// [data] nor [model]; add_objective (registry.h) has made the name known.
Result train(const Recipe& recipe, Objective& objective, Group& group, const TrainOptions& options, Observer& observer);

// Return what the first two do, with workers that may be lost and rejoin: a lost one costs the round in flight, which the
// others repeat without it, with the same result; a new one joins at a round's end (docs/guide/faults.md). clients.count
// must be given.
Result train(const Recipe& recipe, Membership& membership, const TrainOptions& options, Observer& observer);
Result train(const Recipe& recipe, Objective& objective, Membership& membership, const TrainOptions& options,
             Observer& observer);

// Checks `out` as train() would (absent or empty, or with resume: a run with a checkpoint) without touching it.
void check_run_folder(const std::string& out, bool resume);

std::string version();  // tacet's own

}  // namespace tacet
