// Step sizes over time: milestones, a linear warm-up and a cosine act on η and γ together (so the threshold γ/η stays as
// given) or on η alone. They look at where the run stands when a round begins. Random sequence lengths scale single steps
// and are not here.
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
  std::optional<double> epochs;  // the run ends at the first of these three that is reached
  std::optional<int64_t> rounds, iterations;
  Numbers milestones;
  double factor = 0.1;
  std::string unit;  // "epochs" or "rounds"
  double warmup = 0;
  std::optional<double> warmup_from;  // 1/N
  bool cosine = false;
  double cosine_to = 0;
  bool scale_gamma = true, nt_asgd = false;
  int64_t nonmono = 5;

  void options(OptionList& list);
  // Returns where a cosine ends, in `unit`; nothing where the recipe does not say.
  std::optional<double> end() const;
};

struct Schedule {
  Rates base;                      // the recipe's η and γ
  std::vector<double> milestones;  // ascending, in `unit`
  double factor = 0.1;
  double warmup = 0;        // length of the warm-up, in `unit`; 0: none
  double warmup_from = 1;   // the first step's fraction of η
  bool by_rounds = false;   // unit: rounds instead of epochs
  double cosine_end = 0;    // where half a cosine from the warm-up's end ends, in `unit`; 0: none
  double cosine_to = 0;     // η's fraction there and after
  bool scale_gamma = true;  // γ follows η

  // Returns η and γ of a round that begins at `epoch` and is the round-th (from 0).
  Rates at(double epoch, int64_t round) const;
};

// Makes the schedule of so many clients, N: the warm-up starts at 1/N by default. A cosine must have an end after the
// warm-up's; the recipe's checks see to that.
Schedule make_schedule(const Values& schedule, const Values& algorithm, int clients);

}  // namespace tacet
