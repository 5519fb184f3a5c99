// The time of runs to a target, "eval_loss=0.5": local steps, rounds and seconds, how much less of each another number of
// clients or another interval needs, and what would be ideal. It is computed from what runs have written. Nothing is drawn
// here.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "report/runs.h"

namespace tacet {

struct RunTarget {
  std::string key;  // of metrics.jsonl, as lines_with takes it (key_lines.h)
  double value = 0;
};

// Reads "key=value". Throws UserError.
RunTarget parse_target(const std::string& text);

// The counts of a run where it reached a target for the first time.
struct TimeToTarget {
  double iterations = 0, rounds = 0, seconds = 0;
};

// Returns nothing for a run that has not reached it. The lines are those of lines_with. Accuracies and BLEU have to rise to
// the target, and all else has to fall. Throws UserError, which names the keys there are, for a run without this one.
std::optional<TimeToTarget> time_to(const RunTarget& target, const Run& run);

// One of the three counts over the runs of a group (run_groups.h).
struct SpeedUp {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  double mean = unknown;
  double low = unknown, high = unknown;              // of the mean, 95 %; unknown for one run
  double ratio = unknown;                            // the first group's mean over this one
  double ratio_low = unknown, ratio_high = unknown;  // of 95 %; unknown where either group has one run
  double ideal = unknown;                            // ratio that would be ideal
};

struct SpeedUpGroup {
  std::vector<std::string> runs;  // names
  std::string algorithm;
  double clients = SpeedUp::unknown;   // that take part in a round
  double interval = SpeedUp::unknown;  // local steps of a round, as the run took them
  size_t reached = 0;                  // runs that have reached the target
  SpeedUp iterations, rounds, seconds;
};

// Returns the groups of run_groups.h. The ideal ratio of iterations is that of the clients, as T falls as
// 1/N. That of rounds is the ratio of clients times that of intervals. That of seconds is that of iterations where intervals
// are equal, and unknown elsewhere, since then seconds depend on the network.
std::vector<SpeedUpGroup> speed_ups(const RunTarget& target, const std::vector<Run>& runs);

// Returns t with P(|T| ≤ t) = 0.95 for Student's T with so many degrees of freedom, ≥ 1.
double student_95(int freedom);

// Returns the groups as two tables for a terminal, with lines on runs that did not arrive.
std::string target_text(const RunTarget& target, const std::vector<SpeedUpGroup>& groups, int width);
// Returns them under stable keys (docs/reference/commands.md).
nlohmann::json target_json(const RunTarget& target, const std::vector<SpeedUpGroup>& groups);

}  // namespace tacet
