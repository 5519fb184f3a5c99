// A run's decisions on I (algorithm.interval = "auto"): as values, as the vector that a checkpoint has, and as the file
// interval.json, by which another run repeats them. They are made in interval_control.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tacet/vector.h"

namespace tacet {

// One decision, which holds from the round after `round` on.
struct IntervalDecision {
  int64_t round = 0;  // finished rounds
  int64_t interval = 1;
  double step_seconds = 0, exchange_seconds = 0;  // by which it was made
};

struct IntervalRecord {
  int64_t first = 1;  // I of the first rounds
  std::vector<IntervalDecision> decisions;
};

// Returns the decision after that round, or null.
const IntervalDecision* decision_after(const IntervalRecord& record, int64_t round);

// Returns the decisions of a checkpoint's vector, which is undefined without any.
std::vector<IntervalDecision> decisions_in(const Vec& saved);
// Returns such a vector with one more decision.
Vec with_decision(const Vec& saved, const IntervalDecision& decision);

// Returns the text of interval.json.
std::string interval_json(const IntervalRecord& record);
// Reads such a file. Throws UserError where it is none.
IntervalRecord read_interval_record(const std::string& path);
// Writes such a file. Decisions that it has for rounds after `round` stay behind those of `so_far`, as the run is to repeat
// them.
void write_interval_record(const std::string& path, IntervalRecord so_far, int64_t round);
// Returns the file's decision after that round; nothing where there is none, or no file.
std::optional<IntervalDecision> decision_in_file(const std::string& path, int64_t round);

}  // namespace tacet
