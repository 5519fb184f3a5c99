// The figures by which runs are compared, and `tacet compare`, which prints them. The report page shows the same tables.
// Nothing here reads files.
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

// What the tables say about a run. Numbers are NaN when the run doesn't tell.
struct Facts {
  std::string status, algorithm, interval;  // empty when unknown; a run without summary is "unfinished"
  double clients = kUnknown, workers = kUnknown;
  double epochs = kUnknown;           // passes over the training set by all clients jointly, so far
  double train_loss = kUnknown;       // mean over the last epoch; before the first one ends, over the rounds so far
  Scores perplexity, accuracy, loss;  // accuracy is a share of 1
  double rounds = kUnknown, iterations = kUnknown, communications = kUnknown;
  double bytes_sent = kUnknown;    // per worker, on the wire
  double client_bytes = kUnknown;  // in one client's messages
  double seconds = kUnknown;       // of training
};
Facts facts(const Run& run);

// The evaluations to plot: those on the validation set (or on the test set, for a run that has no validation set), one an
// iteration; an average of the model replaces the model at the same iteration.
std::vector<nlohmann::json> held_out(const Run& run);

struct Column {
  std::string head;                // short, with the unit
  std::string help;                // one sentence
  std::vector<std::string> cells;  // one a row; "-" when unknown
  bool words = false;              // text, which is aligned to the left
  std::vector<bool> best;          // the rows to stress; empty when nothing is
};
struct Table {
  std::vector<Column> columns;  // the first one names the rows
};

Table summary_table(const std::vector<Run>& runs);
// Figures of the other runs as a ratio to, or a difference from, the first run's. No columns when there is one run only.
Table relative_table(const std::vector<Run>& runs);
// Training loss at equal epochs, for epochs that at least two runs have finished; at most 12 of them, evenly spread with the
// first and the last. No columns when there is no such epoch.
Table epoch_table(const std::vector<Run>& runs);
// Whether the runs ended at epochs more than 1 % apart, so that their final figures aren't alike.
bool uneven(const std::vector<Run>& runs);

// All tables as text for a terminal of `width` columns (at least 40 are used). A table that is too wide is cut into stacked
// blocks that repeat its first column; long names lose their middle. Control characters of names are replaced.
std::string compare_table(const std::vector<Run>& runs, int width);

// `tacet compare DIR...`: prints compare_table for the terminal's width (80 when there is no terminal). Returns the exit
// code; throws UserError as read_runs does.
int cmd_compare(const std::vector<std::string>& dirs);

}  // namespace tacet
