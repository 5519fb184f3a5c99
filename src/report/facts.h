// The figures by which runs are compared, taken from what a run's files say. Nothing here reads files.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "report/runs.h"

namespace tacet {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// One figure of merit on the held-out sets. "final" is the last evaluation, "best" the lowest (accuracy: the highest).
// Where the model and an average of it were evaluated at the same iteration, the average counts.
struct Scores {
  double valid = kUnknown, valid_best = kUnknown, test = kUnknown, test_best = kUnknown;
};

// The figures of a run in the tables. Numbers are NaN when the run doesn't tell.
struct Facts {
  std::string status, algorithm;       // empty when unknown; a run without summary is "unfinished"
  std::string interval, local_epochs;  // as the recipe sets them; empty where it doesn't
  double clients = kUnknown, workers = kUnknown;
  double epochs = kUnknown;           // passes over the training set by all clients jointly, so far
  double train_loss = kUnknown;       // mean over the last finished epoch, or since the start
  Scores perplexity, accuracy, loss;  // accuracy is a share of 1
  double extra_samples = kUnknown;    // drawn for no local step, so in no epoch
  double rounds = kUnknown, iterations = kUnknown, communications = kUnknown;
  double bytes_sent = kUnknown;    // per worker, on the wire
  double client_bytes = kUnknown;  // in one client's messages
  double seconds = kUnknown;       // training alone
};
// Returns the figures of a run.
Facts facts(const Run& run);

// Returns the evaluations to plot: those on the validation set (or on the test set, for a run that has no validation set),
// one an iteration. An average of the model replaces the model at the same iteration.
std::vector<nlohmann::json> held_out(const Run& run);

// Returns the value, or the other where it is unknown.
double or_else(double value, double otherwise);

}  // namespace tacet
