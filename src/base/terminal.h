// The terminal behind a descriptor, if there is one: its width, and whether colours go there.
#pragma once

#include <algorithm>
#include <string>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/places.h"

namespace tacet {

inline bool is_terminal(int fd) { return ::isatty(fd) != 0; }

// Returns the columns of the terminal behind `fd`; `otherwise` where there is none.
inline int terminal_width(int fd, int otherwise = 80) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : otherwise;
}

// Returns the begin of an ASCII text that fits into one row of the terminal behind `fd`. The last column stays free, since a
// terminal may wrap after it.
inline std::string one_row(const std::string& text, int fd) {
  return text.substr(0, static_cast<size_t>(std::max(1, terminal_width(fd) - 1)));
}

// Returns true if text for `fd` may be coloured: it is a terminal that knows colours, and its user has not set NO_COLOR
// (https://no-color.org).
inline bool takes_colour(int fd) {
  const std::string kind = variable("TERM");
  return is_terminal(fd) && variable("NO_COLOR").empty() && !kind.empty() && kind != "dumb";
}

}  // namespace tacet
