// The one type of vectors, and arithmetic on whole vectors in one pass each. Sums and norms go over fixed blocks, so that
// their bits do not depend on the number of threads. Nothing here knows clients or rounds.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

namespace tacet {

using Vec = at::Tensor;  // x ∈ R^d: ONE flat contiguous float32 tensor; layers are slices of it

// Returns ‖v‖, accumulated in double over fixed blocks.
double l2_norm(const Vec& v);

// An algorithm's addition to the plain step: d = g + λ y, or with momentum m ← μ m + (g + λ y), d = m.
struct StepRule {
  double momentum = 0;      // μ ∈ [0, 1)
  double weight_decay = 0;  // λ ≥ 0
};

// Steps y ← y − a·d in one pass. `m` is read and written only when rule.momentum ≠ 0, and may be null otherwise.
void descend(Vec& y, const Vec& g, double a, const StepRule& rule, Vec* m);

// Corrects g ← g − mine + everyones, as SCAFFOLD and EPISODE do, and returns its length afterwards, in one pass.
double correct(Vec& g, const Vec& mine, const Vec& everyones);

// Averages m ← β m + (1 − β) g, in one pass.
void average_in(Vec& m, const Vec& g, double beta);

}  // namespace tacet
