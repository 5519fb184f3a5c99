// Runs a recipe: rounds, schedules, evaluation, metrics, checkpoints. Writes the files of docs/reference/run-files.md into
// the run's folder. Progress on a terminal is not drawn here (src/cli). A program that embeds tacet may pass an Observer of
// its own.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>

#include "tacet/objective.h"
#include "tacet/recipe.h"
#include "tacet/task.h"

namespace tacet {

class Algorithm;
class Group;
class Membership;  // include/tacet/membership.h

// The state of a run after a round, as the leader's observer gets it.
struct Progress {
  double fraction = 0;  // 0 … 1 of the run
  double epoch = 0;
  int64_t round = 0;      // finished rounds
  int64_t iteration = 0;  // local steps per client so far
  double train_loss = 0;  // mean over the round
  double eval_loss = 0;   // the last evaluation's; NaN before the first
  double clipped_fraction = 0;
  int64_t communications = 0;
  int64_t bytes_sent = 0;   // by the leader
  double seconds = 0;       // training only
  bool perplexity = false;  // the losses are per-token cross-entropies
  // The distance of a client's model from the mean of all and its bound 2γI, of the leader's clients that were looked at
  // (run.check, TrainOptions::drift_models); NaN where there is none.
  double drift = std::numeric_limits<double>::quiet_NaN(), drift_bound = std::numeric_limits<double>::quiet_NaN();
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void progress(const Progress&) {}
  // Takes a line worth keeping: an evaluation, NT-ASGD's trigger, …
  virtual void message(const std::string& /*line*/) {}
  // Takes what went wrong in a run that goes on: a checkpoint that could not be written, a damaged one that was passed over.
  virtual void warning(const std::string& line) { message("warning: " + line); }
};

struct TrainOptions {
  std::string out;                          // run folder; empty: nothing is written
  bool resume = false;                      // continue from the newest whole checkpoint in `out`, or begin where none is
  const std::atomic<bool>* stop = nullptr;  // true ends the run after the round in flight, with a checkpoint
  bool rejoin = false;                      // this worker rejoins: `out` holds this run's own files
  // Is called before each round with the method, whose state it may look at; empty: nobody looks.
  std::function<void(Algorithm&)> before_round = {};
  int drift_models = 0;  // clients of each worker whose drift Progress tells in each round, for which it keeps their models
};

struct Evaluation {
  double loss = 0;
  double accuracy = 0;  // NaN where the task has none
};

struct Result {
  std::string status;  // "done", "interrupted", or "ended": others finished the run before this worker could join
  Vec x;               // final model [d]: NT-ASGD's average once that was triggered, else the common model
  int64_t rounds = 0, iterations = 0, communications = 0, bytes_sent = 0, client_bytes = 0;
  int64_t extra_samples = 0;  // training samples of gradients that belong to no local step, which no epoch counts
  int64_t skipped = 0;        // gradients that were not finite (run.non_finite = "skip")
  double epoch = 0, seconds = 0;
  double train_loss = 0;                    // mean over the last finished epoch, or over the run when it was shorter
  bool perplexity = false;                  // the losses are per-token cross-entropies
  bool first = true;                        // this worker was the leader, which writes files and calls the observer
  std::map<std::string, Evaluation> final;  // by split
  std::string model_sha256;                 // checksum of model.safetensors; empty when nothing is written
};

// Trains a recipe. Collective: every rank of the group calls it with an equal recipe. Only rank 0 writes files and calls the
// observer. clients.count defaults to the number of ranks. Throws UserError or PeerLost; the run folder then says "failed".
Result train(const Recipe& recipe, Group& group, const TrainOptions& options, Observer& observer);
// Trains an objective of the caller's own, on each rank another object. Collective, and throws, as above.
// REQUIRES: the recipe says the truth about it. It names the objective in [objective], with a name that add_objective
// (registry.h) has made known, or it has [data] and [model] and the objective wraps what make_objective (task.h) returns.
Result train(const Recipe& recipe, Objective& objective, Group& group, const TrainOptions& options, Observer& observer);

// Train a recipe, or the caller's objective, on workers that may be lost and rejoin. A lost worker costs the round in
// flight, which the others repeat without it, with the same result. A new one joins at a round's end (docs/guide/faults.md).
// Throw UserError or PeerLost. REQUIRES: the recipe gives clients.count.
Result train(const Recipe& recipe, Membership& membership, const TrainOptions& options, Observer& observer);
Result train(const Recipe& recipe, Objective& objective, Membership& membership, const TrainOptions& options,
             Observer& observer);

// Checks a run folder as train() does and changes nothing. `out` must be absent or an empty folder that can be written; with
// `resume` it may also hold a run, with a checkpoint or before its first one. No run may be under way in it. Throws
// UserError.
void check_run_folder(const std::string& out, bool resume);

// Returns tacet's version, "0.1.0".
std::string version();

}  // namespace tacet
