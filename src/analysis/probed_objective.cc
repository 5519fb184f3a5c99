// See probed_objective.h.
#include "analysis/probed_objective.h"

#include <stdexcept>
#include <utility>

#include <ATen/core/Tensor.h>

namespace tacet {

Vec ProbedObjective::initial() {
  if (given_) throw std::logic_error("the model that a probed run starts from is given once");
  if (!start_.defined()) return inner_.initial();
  given_ = true;
  return std::move(start_);
}

BatchLoss ProbedObjective::gradient(const BatchKey& draw, const Vec& y) {
  guard_();
  if (draw.step == 0 && draw.round != seen_) {
    seen_ = draw.round;
    visit_(draw.round, y);
  }
  if (before_) before_(draw, y);
  const BatchLoss loss = inner_.gradient(draw, y);
  if (after_) after_(draw, y, loss);
  return loss;
}

}  // namespace tacet
