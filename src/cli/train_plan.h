// The decision what a call of `tacet train` is to do, from its arguments, its recipe and its environment. No run is started
// and no folder touched here.
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
    start_hosts,    // start a worker on each of the hosts
    reach_host,     // be what start_hosts has started: ssh to one host
    start_workers,  // start the workers of this machine and watch them
    run,            // be a worker
  };
  Step step = Step::run;
  TrainArguments arguments;
  Recipe recipe;                   // empty with reach_host
  std::string out;                 // the run's folder
  std::optional<Placement> place;  // among other workers, as the environment tells it
  int workers = 1;
  std::string token;  // the join token; empty: none
};

// Returns the step to take with all that it needs. Throws UserError for arguments that contradict each other or the
// environment.
TrainPlan resolve(const TrainArguments& arguments);

}  // namespace tacet
