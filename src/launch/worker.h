// One worker of a launcher as a process: its start, its output on the way to ours, its end. When to start it again is not
// decided here.
#pragma once

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "tacet/error.h"

namespace tacet {

// Exit codes of the command.
inline constexpr int kUserMistake = 2, kPeerLost = 3;

// A program with its arguments and its variables ("NAME=value").
struct Program {
  std::string path;
  std::vector<std::string> arguments, environment;
  std::function<int()> work = {};  // run in the place of the program, in a copy of this process; its result is the exit code
  std::function<pid_t()> fork = ::fork;  // makes the process
  std::vector<int> files = {};           // descriptors that such a copy keeps, besides the three standard streams
};

// Returns the descriptors that are open in this process.
std::vector<int> open_files();

// Returns the error of a program that can't be started.
UserError no_start(const std::string& program, int error);

class Worker {
 public:
  explicit Worker(int rank) : rank_(rank) {}  // on this machine

  // Starts the process, with the signal mask it is to have. Worker 0 has this process's own stdout and stderr. The system
  // kills the worker when this process ends. Throws UserError when the program can't be run; the end of an earlier process
  // is then still told.
  void start(Program program, const sigset_t& mask);
  // Returns true once, when the process has ended.
  bool reap();
  // Waits for the end.
  void wait();
  // Sends a signal to end it, which is noted.
  void stop(int signal);

  int rank() const { return rank_; }
  bool running() const { return running_; }
  bool stopped() const { return stopped_; }  // it was asked to end
  bool killed() const;                       // it ended by a signal
  bool ended_with(int code) const;
  std::string how_it_ended() const;  // "was killed by signal 9"

  // Moves on what the worker has written, line by line with "[rank] " before it; `all`: also what could be held back.
  void show(bool all);
  // Takes back the lines of a user's mistake that were `said` already, and adds the others to it.
  void drop_repeated(std::set<std::string>& said);
  // Takes back all lines that are held.
  void drop_held();
  // Adds the descriptors that tell of new output, and moves `until` to when a held line is to be shown.
  void wait_for(std::vector<int>& files, Clock::time_point& until) const;

 private:
  // One of the two streams, on its way to ours.
  struct Stream {
    Fd pipe;  // its reading end; closed at the end of the stream
    int target;
    std::string partial;  // a line that has begun
    struct Line {
      std::string text;
      Clock::time_point show_at;
    };
    std::vector<Line> held;  // only on stderr
  };
  static void read(Stream& stream);
  void split(Stream& stream, bool all);
  void print(int target, const std::string& line) const;

  int rank_;
  pid_t pid_ = -1;
  bool running_ = false, stopped_ = false;
  int status_ = 0;  // waitpid's, once the process has ended
  std::vector<Stream> streams_;
};

}  // namespace tacet
