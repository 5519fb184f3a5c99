// See sweep_lines.h.
#include "cli/sweep_lines.h"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

#include "base/terminal.h"
#include "base/utf8.h"

namespace tacet {
namespace {

constexpr double kPlainSeconds = 60;  // between two lines on the whole where stderr is no terminal

}  // namespace

SweepLines::SweepLines(bool quiet) : quiet_(quiet), terminal_(is_terminal(STDERR_FILENO)) {}
SweepLines::~SweepLines() { clear(); }

void SweepLines::say(const std::string& line) {
  clear();
  fmt::print(stderr, "{}\n", visible(line));
}

void SweepLines::show(const std::string& line) {
  if (quiet_) return;
  if (terminal_) {
    clear();
    fmt::print(stderr, "{}", line);
    std::fflush(stderr);
    drawn_ = true;
  } else if (since(last_) > kPlainSeconds) {
    fmt::print(stderr, "{}\n", line);
    last_ = Clock::now();
  }
}

void SweepLines::clear() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace tacet
