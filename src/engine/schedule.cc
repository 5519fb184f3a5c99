// See schedule.h.
#include "engine/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tacet/error.h"

namespace tacet {

Rates Schedule::at(double epoch, int64_t round) const {
  const double now = by_rounds ? static_cast<double>(round) : epoch;
  double scale = 1;
  for (double m : milestones)
    if (now >= m) scale *= factor;
  if (warmup > 0) scale *= warmup_from + (1 - warmup_from) * std::min(1.0, now / warmup);
  if (cosine_end > 0) {
    const double done = std::clamp((now - warmup) / (cosine_end - warmup), 0.0, 1.0);
    scale *= cosine_to + (1 - cosine_to) * (1 + std::cos(std::numbers::pi * done)) / 2;
  }
  return {base.eta * scale, scale_gamma ? base.gamma * scale : base.gamma};
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
  s.scale_gamma = schedule.flag("scale_gamma");
  if (schedule.flag("cosine")) {
    const std::string end = s.by_rounds ? "rounds" : "epochs";
    if (!schedule.has(end))
      throw UserError("schedule." + end + " must be given with schedule.cosine and schedule.unit = \"" + end +
                      "\", got nothing");
    s.cosine_end = s.by_rounds ? static_cast<double>(schedule.integer(end)) : schedule.number(end);
    s.cosine_to = schedule.number("cosine_to");
    if (s.warmup >= s.cosine_end)
      throw UserError("schedule.warmup must be < schedule." + end + " = " + to_toml(s.cosine_end) +
                      " with schedule.cosine, got " + to_toml(s.warmup));
  }
  return s;
}

}  // namespace tacet
