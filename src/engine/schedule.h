// Step sizes over time: milestones, a linear warm-up and a cosine, of η and γ together (so the threshold γ/η stays as given)
// or of η alone. All look at where the run stands when a round begins; random sequence lengths scale single steps and are
// not here.
#pragma once

#include "tacet/algorithm.h"
#include "tacet/options.h"

namespace tacet {

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

  // η and γ of a round that begins at `epoch` and is the round-th (from 0).
  Rates at(double epoch, int64_t round) const;
};

// clients: N, for the default start of the warm-up, 1/N. Throws UserError for a cosine whose end the recipe does not give.
Schedule make_schedule(const Values& schedule, const Values& algorithm, int clients);

}  // namespace tacet
