// The signals of a process that starts others and waits for them.
#pragma once

#include <signal.h>

#include "base/files.h"

namespace tacet {

// A signal to a whole job reaches a process twice: by itself and from the process above. Within this time it counts once.
inline constexpr double kSameSignalSeconds = 0.5;

// Reads SIGINT, SIGTERM and SIGCHLD from a file, and blocks them for everybody else while it lives. SIGPIPE is ignored
// meanwhile: a reader of our output who goes away must not end the workers.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int file() const { return file_.get(); }
  const sigset_t& mask_before() const { return before_; }
  int next() const;  // returns the next signal that has come, or 0

 private:
  sigset_t mine_, before_;
  struct sigaction child_before_ {
  }, pipe_before_{};
  Fd file_;
};

}  // namespace tacet
