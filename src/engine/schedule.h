// Step sizes over time. Milestones, a linear warm-up and a cosine act on η and γ together (so the threshold γ/η stays as
// given) or on η alone. They depend on the run's position at the start of a round. Random sequence lengths scale single
// steps and are not here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tacet/algorithm.h"
#include "tacet/options.h"

namespace tacet {

// The table [schedule] of a recipe.
struct ScheduleOptions {
  std::optional<double> epochs;  // ends of the run, of which the first one reached counts
  std::optional<int64_t> rounds, iterations;
  Numbers milestones;
  double factor = 0.1;
  std::string unit;  // "epochs" or "rounds"
  double warmup = 0;
  std::optional<double> warmup_from;  // default: 1/N
  bool cosine = false;
  double cosine_to = 0;
  bool scale_gamma = true, nt_asgd = false;
  int64_t nonmono = 5;
  std::string nt_asgd_each;  // "round" or "epoch"

  void options(OptionList& list);
  // Returns where a cosine ends, in `unit`; nothing where the recipe does not say.
  std::optional<double> end() const;
};

struct Schedule {
  Rates base;                      // the recipe's η and γ
  std::vector<double> milestones;  // ascending, in `unit`
  double factor = 0.1;
  double warmup = 0;        // length of the warm-up, in `unit`; 0: none
  double warmup_from = 1;   // fraction of η at the start of the warm-up
  bool by_rounds = false;   // the unit is rounds instead of epochs
  double cosine_end = 0;    // end of the half cosine that follows the warm-up, in `unit`; 0: none
  double cosine_to = 0;     // fraction of η from there on
  bool scale_gamma = true;  // γ follows η

  // Returns η and γ of a round that begins at `epoch` and is the round-th (from 0).
  Rates at(double epoch, int64_t round) const;
};

// A stretch of a schedule between two of its turning points, in the schedule's unit.
struct Stage {
  double from = 0, to = 0;  // to: infinity where the run has no end in this unit
  Rates first, last;        // where it begins, and where it ends, before a milestone there acts
};

// Returns the stretches from 0 to the run's `end` in the schedule's unit, or to infinity. Milestones from `end` on are not
// reached and make none.
std::vector<Stage> stages(const Schedule& schedule, std::optional<double> end);

// Makes the schedule of a run with N = `clients`, whose warm-up starts at 1/N by default. REQUIRES: a cosine ends after the
// warm-up, as misfits() checks.
Schedule make_schedule(const Values& schedule, const Values& algorithm, int clients);

}  // namespace tacet
