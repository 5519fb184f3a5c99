// Relaxed smoothness along a run (run.smoothness_every): how far the gradient moves from a round's first model to the next
// one's, against its length. It takes gradients of its own on worker 0, on the same samples at both models, and changes
// nothing of the run. How a pair is measured is in src/analysis.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "analysis/smoothness.h"
#include "train/training.h"

namespace tacet {

class Group;

class RoundSmoothness {
 public:
  // Borrows the run. Throws UserError where the objective has no gradient over its training set.
  explicit RoundSmoothness(Training& run);

  // Keeps the model from which the round starts, where a pair is due and the share of time allows it. Worker 0 decides, and
  // alone holds the model. Collective.
  void begin(Group& group);
  // Returns the figures of the pair that the finished round has closed, adding it to the run's totals; nothing where none
  // was due. Collective.
  std::map<std::string, double> end(Group& group);

 private:
  bool is_due(int64_t round) const { return round % run_.options.smoothness_every == 0; }
  bool has_time() const;

  Training& run_;
  SmoothnessProbe probe_;
  bool measures_ = false;  // the round under way
};

// Returns what summary.json says of the run's pairs; nothing where they were not asked for.
std::optional<nlohmann::json> smoothness_summary(const Training& run);

}  // namespace tacet
