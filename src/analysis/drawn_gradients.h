// Mini-batch gradients at one point, drawn as training draws them, for probes. What they are used for is not known here.
#pragma once

#include <cstdint>
#include <vector>

#include "tacet/objective.h"

namespace tacet {

// Returns ⟨a, b⟩, summed in double.
double inner_product(const Vec& a, const Vec& b);

// Draws one mini-batch gradient after another. The keys' rounds begin far beyond those of runs, so that no noise is one that
// a run has seen. The clients' positions in their data move on.
class DrawnGradients {
 public:
  // Borrows the objective. Probes of one objective that are to be independent have different `series`.
  DrawnGradients(Objective& objective, const Vec& x, uint64_t seed, int64_t series);
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
  Vec y_;
  BatchLoss last_;
  std::vector<double> seconds_;
};

}  // namespace tacet
