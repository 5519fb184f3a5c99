// See drift.h.
#include "engine/drift.h"

#include "engine/round_setup.h"

namespace tacet {

void note_drift(const Round& round, const RoundSetup& setup, const ClientModel& of, Drift& worst) {
  Drift seen{of.client, l2_norm(of.model - of.mean)};
  if (setup.bounded_drift) {
    seen.bound = 0;
    const int steps = setup.steps ? setup.steps(of.client) : setup.interval;
    for (int t = 0; t < steps; ++t) seen.bound += 2 * round.rates(t).gamma;
  }
  const bool worse =
      setup.bounded_drift ? seen.distance - seen.bound > worst.distance - worst.bound : seen.distance > worst.distance;
  if (worst.client < 0 || worse) worst = seen;
}

}  // namespace tacet
