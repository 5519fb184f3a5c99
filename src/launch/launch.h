// Workers on this machine: the parent that starts P of them for `--workers P`. It knows nothing of training; the workers are
// the same command with the same arguments.
#pragma once

#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "launch/environment.h"

namespace tacet {

// The option that launch_local adds to its workers' arguments. A worker that gets it sets Placement's `hosted` and
// `launched`, and starts no workers itself.
inline constexpr const char* kLaunchedOption = "--launched";

// The option that is added for a worker that is started in the middle of a run.
inline constexpr const char* kRejoinOption = "--rejoin";

// Exit code of a worker that can only start anew. It is started again like a killed one, and counts as exit code 3
// otherwise. This code and the next mean nothing where the program is `foreign`: tacet.train ends none with them.
inline constexpr int kStranded = 75;

// Exit code of a launcher's worker whose run stopped with a checkpoint. Where the launcher itself had no signal, another
// worker's stopped the run, and the launcher ends as after SIGTERM.
inline constexpr int kStopped = 76;

struct LaunchOptions {
  std::string program = "/proc/self/exe";
  // Runs in each worker in the place of a program, and returns its exit code. The worker is then a copy of this process as
  // it was at the call, with the variables of a worker; `rejoins` tells of one that is started in the middle of a run.
  std::function<int(bool rejoins)> work = {};
  std::function<pid_t()> fork = ::fork;  // makes the copies, for `work` whose runtime must know of a fork
  bool foreign = false;                  // the program is the user's own: it gets no options of ours
  // A worker that is killed, or ends with kStranded, is started again with kRejoinOption behind its arguments,
  // `restarts` times in all; when no more are left, the others go on alone. 0 workers may be lost unless this is set.
  bool supervise = false;
  int restarts = 0;
  // The place of the only worker among those of other machines; this process then serves the rendezvous if it is the first.
  std::optional<Placement> place;
  std::string token;               // with `supervise`: the join token of its rendezvous and of its workers; empty: none
  double report_seconds = 2;       // after the first failure, for the others to end by themselves …
  double stop_seconds = 5;         // … then, after SIGTERM, to clean up …  before SIGKILL
  double finish_seconds = 10;      // after a worker has ended well, for the others, before SIGKILL; not where `foreign`
  double interrupt_seconds = 300;  // after a signal to the launcher was passed on, to write a checkpoint, before SIGKILL
};

// Starts `workers` processes of the program with the arguments `argv` (argv[0] is the command's name) and kLaunchedOption,
// serves their rendezvous on 127.0.0.1, and waits until all have ended; none outlives the call or this process.
// Worker 0 has this process's own stdout and stderr; what worker r > 0 writes follows line by line with "[r] " before it.
// Returns the exit code for the command:
//   0    all workers ended with 0
//   2    the first one to fail ended with 2: its message is shown once, the other workers' messages of that kind are not
//   3    another failure; one line on stderr tells which worker failed first and how. A worker that ended with 3, because it
//        lost another one, counts as the first only if none failed otherwise.
// With `supervise`, 0 when any worker has ended with 0; a line names those that were killed for being late, or are not
// started again. Where `foreign`, 0 also needs that no worker has failed by an exit code of its own, and, where one was
// killed for good, that the latest run was finished at the rendezvous (comm/run_keys.h). The workers and their rendezvous
// then belong to a child of this process, and when that is killed, all of them go with it and are started again, which
// counts as one restart.
//   130, 143  SIGINT or SIGTERM came. The workers got SIGTERM (they ignore SIGINT, which a terminal sends to them as well),
//        and SIGKILL when a second signal came.
// Call it from a process without other threads. Throws UserError when the workers can't be started.
int launch_local(const std::vector<std::string>& argv, int workers, const LaunchOptions& options = {});

}  // namespace tacet
