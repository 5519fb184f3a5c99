// See round_smoothness.h.
#include "train/round_smoothness.h"

#include <algorithm>
#include <vector>

#include "data/clients/partition.h"
#include "tacet/group.h"

namespace tacet {
namespace {

// Returns the units that all pairs of the run are measured on.
std::vector<int> units_of(const Training& run) {
  const RunOptions& o = run.options;
  const int count = run.objective->gradient_units();
  const auto drawn = drawn_samples(count, std::min<int64_t>(o.smoothness_units, count), static_cast<uint64_t>(o.seed));
  return {drawn.begin(), drawn.end()};
}

}  // namespace

RoundSmoothness::RoundSmoothness(Training& run) : run_(run), probe_(*run.objective, units_of(run), 1) {}

// Returns true if another pair, as long as those before on average, keeps all of them within their share. The first pair
// comes before any training.
bool RoundSmoothness::has_time() const {
  const SmoothnessTotals& t = run_.state.smoothness;
  const auto pairs = static_cast<double>(t.pairs);
  return t.pairs == 0 || t.seconds * (pairs + 1) / pairs <= run_.options.smoothness_share * run_.state.seconds;
}

void RoundSmoothness::begin(Group& group) {
  measures_ = false;
  if (!is_due(run_.state.round)) return;
  measures_ = all_gather(group, {has_time() ? 1.0 : 0.0}).front() > 0;
  if (!measures_) ++run_.state.smoothness.left_out;
  if (measures_ && group.rank() == 0) probe_.begin(run_.state.round, run_.state.x);
}

std::map<std::string, double> RoundSmoothness::end(Group& group) {
  RunState& s = run_.state;
  if (!measures_) return {};
  std::vector<double> mine;
  if (group.rank() == 0) {
    const double seconds = probe_.seconds();
    const SmoothnessPoint p = probe_.close(s.round, s.x);
    mine = {p.loss, p.gradient, p.step, p.smoothness, p.rounding, p.counts() ? 1.0 : 0.0, probe_.seconds() - seconds};
  }
  // All workers keep the line, as worker 0 may be lost before it has written it.
  const std::vector<double> all = all_gather(group, mine);
  ++s.smoothness.pairs;
  s.smoothness.seconds += all[6];
  return {{"pair_loss", all[0]},    {"pair_gradient_norm", all[1]}, {"step_norm", all[2]},
          {"smoothness", all[3]},   {"rounding", all[4]},           {"counts", all[5]},
          {"probe_seconds", all[6]}};
}

std::optional<nlohmann::json> smoothness_summary(const Training& run) {
  if (run.options.smoothness_every == 0) return {};
  const SmoothnessTotals& t = run.state.smoothness;
  return nlohmann::json{{"pairs", t.pairs}, {"left_out", t.left_out}, {"seconds", t.seconds}};
}

}  // namespace tacet
