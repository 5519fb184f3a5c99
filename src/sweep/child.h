// One run of a sweep as a process: the tacet command itself, with its output in a file. It ends with this process.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace tacet {

class Child {
 public:
  // Starts this program with the arguments (argv[0] is the command's name), in a process group of its own, so that a
  // terminal's Ctrl-C reaches the sweep alone. A launcher's variables are taken away: they place the sweep and not its runs.
  // Output is added to the file `log`. Throws UserError.
  void start(std::vector<std::string> argv, const std::string& log, const sigset_t& mask);
  // Returns true if the process has ended.
  bool reap();
  void wait();
  void send(int signal) const;  // to the whole group; to nobody where the process was not started, or was reaped
  pid_t pid() const { return pid_; }
  int exit_code() const;             // 128 + signal for a process that was killed
  std::string how_it_ended() const;  // "ended with exit code 3", "was killed by signal 9"
  // Returns the most bytes of memory that it and its own children have had so far.
  double peak_memory() const;

 private:
  pid_t pid_ = -1;
  int status_ = 0;
};

}  // namespace tacet
