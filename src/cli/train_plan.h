// The step that a call of `tacet train` takes, decided from its arguments, its recipe and its environment. No run is started
// and no folder touched here, but for the one made where --out names none.
#pragma once

#include <optional>
#include <string>

#include "cli/arguments.h"
#include "launch/environment.h"
#include "tacet/recipe.h"

namespace tacet {

struct TrainPlan {
  enum class Step {
    dry_run,
    start_hosts,    // start one worker on each host
    reach_host,     // become ssh to one host, in a process that start_hosts has started
    start_workers,  // start this machine's workers and watch them
    run,            // be a worker
  };
  Step step = Step::run;
  TrainArguments arguments;
  Recipe recipe;                   // empty with reach_host
  std::string out;                 // the run's folder
  bool made_out = false;           // that folder was made just now, empty
  std::optional<Placement> place;  // this worker's place, if the environment gives one
  int workers = 1;
  std::string token;  // the join token; empty: none
};

// Returns the step to take and what it needs. Throws UserError for arguments that contradict each other or the environment.
TrainPlan resolve(const TrainArguments& arguments);

}  // namespace tacet
