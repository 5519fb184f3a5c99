// The interface of objectives whose clients read streams of data in passes that end together: where that is. Rounds that end
// with a pass (algorithm.average_at_pass_end) ask for it.
#pragma once

#include <cstdint>

#include "tacet/objective.h"

namespace tacet {

class PassEnds {
 public:
  virtual ~PassEnds() = default;
  // Returns the local steps from this one on to the end of the pass that it is in, equal on every rank, for clients that
  // have drawn one mini-batch at every local step of the run; 0 where the clients' passes don't end together.
  virtual int64_t steps_to_pass_end(uint64_t seed, int64_t iteration) = 0;
};

// Returns that of an objective; 0 where it has no such passes.
inline int64_t steps_to_pass_end(Objective& objective, uint64_t seed, int64_t iteration) {
  auto* passes = dynamic_cast<PassEnds*>(&objective);
  return passes ? passes->steps_to_pass_end(seed, iteration) : 0;
}

}  // namespace tacet
