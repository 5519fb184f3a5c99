// See sweep_lines.h.
#include "cli/sweep_lines.h"

#include <unistd.h>

#include <cstdio>

#include "base/terminal.h"
#include "base/utf8.h"
#include "cli/output.h"

namespace tacet {
namespace {

constexpr double kPlainSeconds = 60;  // between two lines on the whole where stderr is no terminal

}  // namespace

SweepLines::SweepLines(bool quiet) : quiet_(quiet), terminal_(is_terminal(STDERR_FILENO)) {}
SweepLines::~SweepLines() { clear(); }

void SweepLines::say(const std::string& line) {
  clear();
  to_stderr("{}\n", visible(line));
}

void SweepLines::show(const std::string& line) {
  if (quiet_) return;
  if (terminal_) {
    clear();
    to_stderr("{}", one_row(line, STDERR_FILENO));
    std::fflush(stderr);
    drawn_ = true;
  } else if (since(last_) > kPlainSeconds) {
    to_stderr("{}\n", line);
    last_ = Clock::now();
  }
}

void SweepLines::clear() {
  if (drawn_) to_stderr("\r\033[K");
  drawn_ = false;
}

}  // namespace tacet
