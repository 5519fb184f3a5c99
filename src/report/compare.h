// Tables that compare runs, and `tacet compare`, which prints them. The report page shows the same tables.
#pragma once

#include <string>
#include <vector>

#include "report/facts.h"
#include "report/runs.h"

namespace tacet {

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

// Returns the figures of each run, a row a run.
Table summary_table(const std::vector<Run>& runs);
// Returns the figures of the other runs as a ratio to, or a difference from, the first run's. No columns when there is one
// run only.
Table relative_table(const std::vector<Run>& runs);
// Returns the training loss at equal epochs, for epochs that at least two runs have finished; at most 12 of them, evenly
// spread with the first and the last. No columns when there is no such epoch.
Table epoch_table(const std::vector<Run>& runs);
// Returns true if the runs ended at epochs more than 1 % apart, so that their final figures aren't alike.
bool uneven(const std::vector<Run>& runs);

// Returns all tables as text for a terminal of `width` columns (at least 40 are used). A table that is too wide is cut into
// stacked blocks that repeat its first column; long names lose their middle. Control characters of names are replaced.
std::string compare_table(const std::vector<Run>& runs, int width);

// Runs `tacet compare DIR...`: prints compare_table for the terminal's width (80 when there is no terminal), or with
// `as_json` the figures of compare_json.h. A `target` that is not empty adds the times to it (time_to_target.h). Returns the
// exit code; throws UserError as read_runs does.
int cmd_compare(const std::vector<std::string>& dirs, const std::string& target, bool as_json);

}  // namespace tacet
