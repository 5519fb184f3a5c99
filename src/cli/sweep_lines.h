// The lines of a sweep on stderr: one for each event, and one on the whole that is replaced on a terminal. The commands
// sweep and figure print them.
#pragma once

#include <string>

#include "base/clock.h"

namespace tacet {

// The option that runs points again which have diverged, and the end of the line on such a point.
inline constexpr const char* kRetryHelp = "run points again that have diverged";
inline constexpr const char* kRetryHint = " (--retry runs it again)";

class SweepLines {
 public:
  // `quiet`: there are no lines on the whole.
  explicit SweepLines(bool quiet);
  ~SweepLines();
  SweepLines(const SweepLines&) = delete;
  SweepLines& operator=(const SweepLines&) = delete;

  void say(const std::string& line);
  void show(const std::string& line);

 private:
  void clear();
  bool quiet_, terminal_, drawn_ = false;
  Clock::time_point last_ = Clock::now();
};

}  // namespace tacet
