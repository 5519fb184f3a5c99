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
  double momentum = 0;         // μ ∈ [0, 1)
  double weight_decay = 0;     // λ ≥ 0
  bool decay_in_norm = false;  // true: add_decay() has added λ y to g before its norm was taken, and descend() adds none
};

// Adds λ y to g in one pass where rule.decay_in_norm says so, and returns ‖g‖ afterwards. `norm` is ‖g‖ before.
double add_decay(Vec& g, double norm, const Vec& y, const StepRule& rule);

// Accumulates m ← μ m + (g + λ y), writes it over g and returns ‖m‖, in one pass.
double accumulate(Vec& m, Vec& g, const Vec& y, const StepRule& rule);

// Steps y ← y − a·d in one pass. `m` is read and written only when rule.momentum ≠ 0, and may be null otherwise.
void descend(Vec& y, const Vec& g, double a, const StepRule& rule, Vec* m);

// Corrects g ← g − mine + everyones, as SCAFFOLD and EPISODE do, and returns its length afterwards, in one pass.
double correct(Vec& g, const Vec& mine, const Vec& everyones);

// Averages m ← β m + (1 − β) g, in one pass.
void average_in(Vec& m, const Vec& g, double beta);

}  // namespace tacet
