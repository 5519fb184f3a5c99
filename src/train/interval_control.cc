// See interval_control.h.
#include "train/interval_control.h"

#include <algorithm>
#include <cassert>
#include <cstdio>

#include "comm/collectives.h"
#include "tacet/group.h"

namespace tacet {
namespace {

// A worker's message to the others where I is decided.
struct Timing {
  IntervalCosts costs;
  IntervalDecision before;  // the leader's, of a run that made this decision already
  int64_t made_before = 0;  // 1: there is one
};

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

IntervalCosts median_costs(const std::vector<IntervalCosts>& rounds) {
  assert(!rounds.empty());
  std::vector<double> steps, exchanges;
  for (const IntervalCosts& c : rounds) steps.push_back(c.step_seconds), exchanges.push_back(c.exchange_seconds);
  return {median_of(std::move(steps)), median_of(std::move(exchanges))};
}

void IntervalControl::add(const RoundReport& report, int steps, double seconds, double exchanging) {
  if (!run_.measures_interval() || run_.repeated) return;
  overlaps_ = report.overlaps;
  // Turns that overlap with an exchange wait for it too, so their gradients alone say what a step takes.
  const double computing = overlaps_ ? report.gradient_seconds : report.busy_seconds;
  rounds_.push_back({computing / steps, std::max(0.0, overlaps_ ? exchanging : seconds - computing)});
}

IntervalDecision IntervalControl::agreed(Group& group, bool& repeated) const {
  const int64_t round = run_.state.round;
  Timing mine;
  if (!rounds_.empty()) mine.costs = median_costs(rounds_);
  if (const auto before = log_.interval_decision(round)) mine.before = *before, mine.made_before = 1;
  const std::vector<Timing> all = all_gather_value(group, mine);
  repeated = all.front().made_before > 0;
  if (repeated) return all.front().before;
  const auto slowest = std::max_element(
      all.begin(), all.end(), [](const Timing& a, const Timing& b) { return a.costs.step_seconds < b.costs.step_seconds; });
  const IntervalCosts& costs = slowest->costs;
  return {round, next_interval(run_.intervals, run_.interval(), costs, overlaps_), costs.step_seconds,
          costs.exchange_seconds};
}

void IntervalControl::decide(Group& group) {
  if (!run_.measures_interval()) return;
  const IntervalDecision* scripted = run_.repeated ? decision_after(*run_.repeated, run_.state.round) : nullptr;
  if (!scripted && (run_.repeated || !decides_after(run_.state.round))) return;
  bool repeated = true;
  const IntervalDecision d = scripted ? *scripted : agreed(group, repeated);
  rounds_.clear();
  const int before = run_.interval();
  run_.state.intervals = with_decision(run_.state.intervals, d);
  log_.record_interval(d, before, repeated);
  if (group.rank() > 0 || d.interval == before) return;
  char text[160];
  std::snprintf(text, sizeof text, "round %lld: I grows from %d to %lld (%.3g s a local step, %.3g s a communication)%s",
                static_cast<long long>(d.round), before, static_cast<long long>(d.interval), d.step_seconds,
                d.exchange_seconds, repeated ? ", as before" : "");
  observer_.message(text);
}

}  // namespace tacet
