// Implements schedule.h.
#include "engine/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

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

std::vector<Stage> stages(const Schedule& schedule, std::optional<double> end) {
  const double stop = end.value_or(std::numeric_limits<double>::infinity());
  std::vector<double> turns = schedule.milestones;
  turns.insert(turns.end(), {0, schedule.warmup, schedule.cosine_end});
  std::sort(turns.begin(), turns.end());
  turns.erase(std::unique(turns.begin(), turns.end()), turns.end());
  std::vector<Stage> out;
  for (size_t k = 0; k < turns.size() && turns[k] < stop; ++k) {
    Schedule part = schedule;  // with the milestones that act in this stretch
    part.by_rounds = false;
    std::erase_if(part.milestones, [&](double m) { return m > turns[k]; });
    const double to = k + 1 < turns.size() ? std::min(turns[k + 1], stop) : stop;
    out.push_back({turns[k], to, part.at(turns[k], 0), part.at(to, 0)});
  }
  return out;
}

void ScheduleOptions::options(OptionList& list) {
  constexpr double most_rounds = 4294967295;  // a random stream has 32 bits for the round
  const std::vector<OnlyWith> scaled = {{"milestones"}, {"warmup"}, {"cosine"}};
  // A run may be made longer or shorter, but the end of a cosine is part of the schedule.
  const auto length = [](Option& o) {
    o.free_on_resume = true;
    o.bound_with = {{"cosine"}};
  };
  length(list.maybe_number("epochs", epochs, above(0), "passes over the training set by all clients jointly"));
  length(list.maybe_integer("rounds", rounds, within(1, most_rounds), "communication rounds of the method"));
  list.maybe_integer("iterations", iterations, at_least(1), "local steps a client takes").free_on_resume = true;
  list.numbers("milestones", milestones, Numbers{}, above(0), "when η and γ are multiplied by factor, in the unit below")
      .ascending = true;
  list.number("factor", factor, 0.1, left_open(0, 1), "what η and γ are multiplied by at a milestone").only_with = {
      {"milestones"}};
  list.text("unit", unit, "epochs", {"epochs", "rounds"}, "what milestones, warmup and cosine count").only_with_one_of =
      scaled;
  list.number("warmup", warmup, 0, at_least(0), "how long η rises linearly to its full value");
  list.maybe_number("warmup_from", warmup_from, left_open(0, 1),
                    "where the warm-up starts, as a fraction of η; without it, 1/N")
      .only_with = {{"warmup"}};
  list.flag("cosine", cosine, false,
            "after the warm-up, η falls along half a cosine until the run's last epoch (or round, as unit says)");
  list.number("cosine_to", cosine_to, 0, within(0, 1), "where the cosine ends, as a fraction of η").only_with = {{"cosine"}};
  list.flag("scale_gamma", scale_gamma, true,
            "milestones, warm-up and cosine scale γ as well as η, so that the threshold γ/η stays; false: η only")
      .only_with_one_of = scaled;
  list.all().back().only_with = {{"algorithm.gamma"}};
  list.flag("nt_asgd", nt_asgd, false,
            "average the iterates once the evaluation stops improving (NT-ASGD), and evaluate the average from then on");
  list.integer("nonmono", nonmono, 5, within(1, 1e9), "evaluations without improvement before NT-ASGD starts to average")
      .only_with = {{"nt_asgd"}};
  list.text("nt_asgd_each", nt_asgd_each, "round", {"round", "epoch"},
            "what NT-ASGD averages: the model after each round, or after each epoch only, as CELGC's published program does")
      .only_with = {{"nt_asgd"}};
}

std::optional<double> ScheduleOptions::end() const {
  if (unit == "epochs") return epochs;
  return rounds ? std::optional(static_cast<double>(*rounds)) : std::nullopt;
}

Schedule make_schedule(const Values& schedule, const Values& algorithm, int clients) {
  const auto given = read_options<ScheduleOptions>(schedule);
  Schedule s;
  s.base.eta = algorithm.number("eta");
  s.base.gamma = algorithm.has("gamma") ? algorithm.number("gamma") : std::numeric_limits<double>::infinity();
  s.milestones = given.milestones;
  s.factor = given.factor;
  s.warmup = given.warmup;
  s.warmup_from = given.warmup_from.value_or(1.0 / clients);
  s.by_rounds = given.unit == "rounds";
  s.scale_gamma = given.scale_gamma;
  if (given.cosine) {
    const std::optional<double> end = given.end();
    if (!end || s.warmup >= *end) throw std::logic_error("a cosine that ends nowhere or too early: misfits() finds it");
    s.cosine_end = *end;
    s.cosine_to = given.cosine_to;
  }
  return s;
}

}  // namespace tacet
