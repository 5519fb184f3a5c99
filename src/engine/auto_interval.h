// The number of local steps I between two communications, as a recipe sets it: a number, or "auto", where it grows by what
// the run measures. The keys, the rounds that decide and the rule are here. Clocks, workers and files are not known here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tacet/options.h"

namespace tacet {

struct AlgorithmInfo;

// The part of [algorithm] that says I.
struct IntervalOptions {
  std::optional<int64_t> fixed = 1;  // I; empty: it is measured, between `least` and `most`
  int64_t least = 1, most = 64;
  double share = 0.95;              // of the speed without exchanges
  std::optional<std::string> file;  // with decisions of an earlier run, which this one repeats

  // Binds the keys that go with interval = "auto".
  void options(OptionList& o);
};

// Returns what the values of [algorithm] say of I.
IntervalOptions interval_options(const Values& algorithm);

// Returns true if a round of more local steps takes no more messages, so that a larger I saves time.
bool saves_messages(const AlgorithmInfo& method);

// The seconds of the slowest worker.
struct IntervalCosts {
  double step_seconds = 0;      // of a local step of all its clients
  double exchange_seconds = 0;  // that a round adds to its steps
};

// Returns the smallest I with at least `share` of the speed without exchanges: c/(c + e/I) ≥ share, and c/max(c, e/I) ≥
// share with `overlap`, for steps of c and exchanges of e seconds. REQUIRES: c > 0.
int64_t least_interval(const IntervalCosts& costs, double share, bool overlap);

// Returns true after the rounds that decide on I: the 8th, the 16th, the 32nd and so on.
bool decides_after(int64_t round);

// Returns the interval that follows `now`: at least as large, at most four times as large, within the bounds, and no larger
// than the costs ask for. REQUIRES: it is measured.
int64_t next_interval(const IntervalOptions& options, int64_t now, const IntervalCosts& costs, bool overlap);

}  // namespace tacet
