// Mini-batch gradients at one point, drawn as training draws them, for probes. What they are used for is not known here.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tacet/objective.h"

namespace tacet {

// Returns ⟨a, b⟩, summed in double.
double inner_product(const Vec& a, const Vec& b);

// First round and local step of the keys of a probe's draws.
inline constexpr int64_t kFarRound = int64_t{1} << 30;

// Draws one mini-batch gradient after another. The keys' rounds and local steps begin far beyond those of runs, so that no
// noise is one that a run has seen, and windows of text get lengths of their own. The clients' positions in their data move
// on.
class DrawnGradients {
 public:
  // Borrows the objective. Each draw has a round of its own, or all are steps of `round` where that is given. Probes of one
  // objective that are to be independent have different `series`, or different rounds.
  DrawnGradients(Objective& objective, const Vec& x, uint64_t seed, int64_t series, std::optional<int64_t> round = {});
  // Returns the client's next gradient, which the next call overwrites. Throws UserError where it is not finite.
  Vec next(int client);
  // Adds `factor` times the mean of so many gradients of a client to the sum.
  void add_mean(int client, int64_t batches, double factor, Vec& sum);
  const BatchLoss& last() const { return last_; }
  double median_seconds() const;

 private:
  Objective& objective_;
  uint64_t seed_;
  int64_t series_, drawn_ = 0;
  std::optional<int64_t> round_;
  Vec y_;
  BatchLoss last_;
  std::vector<double> seconds_;
};

}  // namespace tacet
