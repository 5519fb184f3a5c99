// See schedule.h.
#include "train/schedule.h"

#include <algorithm>
#include <limits>

namespace tacet {

Rates Schedule::at(double epoch, int64_t round) const {
  const double now = by_rounds ? static_cast<double>(round) : epoch;
  double scale = 1;
  for (double m : milestones)
    if (now >= m) scale *= factor;
  if (warmup > 0) scale *= warmup_from + (1 - warmup_from) * std::min(1.0, now / warmup);
  return {base.eta * scale, base.gamma * scale};
}

Schedule make_schedule(const Values& schedule, const Values& algorithm, int clients) {
  Schedule s;
  s.base.eta = algorithm.number("eta");
  s.base.gamma = algorithm.has("gamma") ? algorithm.number("gamma") : std::numeric_limits<double>::infinity();
  s.milestones = schedule.numbers("milestones");
  s.factor = schedule.number("factor");
  s.warmup = schedule.number("warmup");
  s.warmup_from = schedule.has("warmup_from") ? schedule.number("warmup_from") : 1.0 / clients;
  s.by_rounds = schedule.text("unit") == "rounds";
  return s;
}

}  // namespace tacet
