// The run that `tacet probe` follows, its time and its line on the terminal. Files are written elsewhere.
#pragma once

#include <string>

#include "base/clock.h"
#include "cli/probe_command.h"
#include "tacet/recipe.h"

namespace tacet {

// One line on a terminal, drawn anew; nothing elsewhere. It also knows the time.
class ProbeLine {
 public:
  ProbeLine(bool quiet, double budget);
  ~ProbeLine();
  void draw(const std::string& what);
  double seconds() const { return since(start_); }
  // Returns the seconds up to this share of the budget.
  double left(double share) const { return share * budget_ - seconds(); }

 private:
  bool shows_, drawn_ = false;
  double budget_;
  Clock::time_point start_ = Clock::now(), last_;
};

// Source of a probe: the recipe with its clients, and the run whose model it starts from.
struct ProbeSource {
  Recipe recipe;
  std::string run;  // a run's folder; empty: the recipe's own start
  uint64_t seed() const { return static_cast<uint64_t>(recipe.run.integer("seed")); }
};

// Returns the reason why clients can't be compared, or nothing: data that are dealt anew in every round are nobody's own.
std::string no_own_data(const Recipe& recipe);

// Clients that a probe looks at; others are left out.
inline constexpr int64_t kProbedClients = 64;

// Trains from `start`, or from the recipe's own begin where that is not defined, until there are enough points or the share
// of time is over, and measures on the way. Returns the latest common model.
Vec follow_run(const ProbeSource& source, const ProbeArguments& a, Objective& objective, Vec start, ProbeLine& line,
               ProbeResult& result);

}  // namespace tacet
