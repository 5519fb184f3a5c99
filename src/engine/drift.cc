// See drift.h.
#include "engine/drift.h"

#include "engine/round_setup.h"

namespace tacet {

void note_drift(const Round& round, const RoundSetup& setup, const ClientModel& of, Drift& worst) {
  Drift seen{of.client, l2_norm(of.model - of.mean)};
  if (setup.bounded_drift) {
    seen.bound = 0;
    // The client's own way and the longest that the mean of all can have gone.
    const int own = setup.steps ? setup.steps(of.client) : setup.interval;
    for (int t = 0; t < setup.interval; ++t) seen.bound += (t < own ? 2 : 1) * round.rates(t).gamma;
  }
  const bool worse =
      setup.bounded_drift ? seen.distance - seen.bound > worst.distance - worst.bound : seen.distance > worst.distance;
  if (worst.client < 0 || worse) worst = seen;
}

}  // namespace tacet
