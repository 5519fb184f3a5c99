// Decisions on I where the recipe leaves it to the run (algorithm.interval = "auto"): what rounds cost, as the slowest
// worker has it, and the interval that follows. A decision is made on all workers alike at the end of a round, and belongs
// to it. One that an earlier run or this run's folder has for the round is repeated. The rule is in engine/auto_interval.h.
#pragma once

#include <optional>
#include <vector>

#include "engine/auto_interval.h"
#include "engine/round_setup.h"
#include "tacet/train.h"
#include "train/interval_record.h"
#include "train/run_log.h"
#include "train/training.h"

namespace tacet {

class Group;

class IntervalControl {
 public:
  // Borrows all of them.
  IntervalControl(Training& run, RunLog& log, Observer& observer) : run_(run), log_(log), observer_(observer) {}

  // Keeps what the round just finished took on this worker: `seconds` in all, `exchanging` of them in exchanges, which
  // includes those beside local steps.
  void add(const RoundReport& report, int steps, double seconds, double exchanging);
  // Forgets the rounds so far. Other workers have other times.
  void forget() { rounds_.clear(); }
  // Decides where the round just finished is one that decides. Collective.
  void decide(Group& group);

 private:
  // Returns the decision of all workers, and sets `repeated` where it was made before.
  IntervalDecision agreed(Group& group, bool& repeated) const;

  Training& run_;
  RunLog& log_;
  Observer& observer_;
  std::vector<IntervalCosts> rounds_;  // of this worker, since the last decision
  bool overlaps_ = false;              // exchanges run beside local steps
};

// Returns the medians of the rounds' costs, which one slow round does not move. REQUIRES: there are some.
IntervalCosts median_costs(const std::vector<IntervalCosts>& rounds);

}  // namespace tacet
