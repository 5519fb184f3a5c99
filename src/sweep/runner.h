// Runs the points of a sweep, as many at once as cores and memory allow, and goes on where an earlier sweep of the folder,
// or one on another machine, has stopped.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "sweep/plan.h"
#include "sweep/point_state.h"

namespace tacet {

struct RunnerOptions {
  std::string folder;
  std::string command = "tacet";  // the name of the command, for its own processes
  int workers = 1;                // processes of each run
  int jobs = 0;                   // runs at once; 0: as cores and memory allow
  double lost_after = 60;         // seconds, see Claims
  double diverged_above = 10;     // see PointWatch; 0: only what is not finite diverges
  bool retry = false;             // runs that have diverged are run again
  std::string retry_hint;         // the end of the line on a run that has diverged before
  bool wait = true;               // for the points that other sweeps run
  std::function<void(const std::string& line)> say = [](const std::string&) {};   // takes a line on each event
  std::function<void(const std::string& line)> show = [](const std::string&) {};  // the state of the whole, again and again
};

struct RunnerResult {
  int signal = 0;          // that has stopped the sweep; 0: none
  bool disk_full = false;  // it has stopped because a disk was full
  size_t elsewhere = 0;    // points that other sweeps run
  size_t started = 0;      // runs that were begun or gone on with here
};

// Returns the runs that can go at once on this many cores.
int jobs_that_fit(const std::vector<Point>& points, int workers, int cores);

// Runs all points that are not done, and those that failed before. Throws UserError where the folder can't be written.
RunnerResult run_points(const std::vector<Point>& points, const RunnerOptions& options);

}  // namespace tacet
