// `tacet sweep`: runs a recipe for every point of a grid and every seed, and says which values are best.
#pragma once

#include <string>

#include "sweep/plan.h"

namespace CLI {
class App;
}  // namespace CLI

namespace tacet {

struct SweepArguments {
  SweepRequest request;
  std::string out;         // empty: runs/<recipe>-sweep
  int jobs = 0;            // 0: as many as cores and memory allow
  double lost_after = 60;  // seconds
  double diverged_above = 10;
  bool retry = false, no_wait = false, quiet = false, dry_run = false;
};

// Adds the options of `tacet sweep` to its subcommand.
void declare(CLI::App& command, SweepArguments& arguments);

// Runs the command. Returns 0 when all points are done, 2 when some have failed or diverged or the disk is full, and 128 +
// signal after a signal. Throws UserError.
int cmd_sweep(const SweepArguments& arguments);

}  // namespace tacet
