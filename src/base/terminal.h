// The terminal behind a descriptor, if there is one, and its width.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

namespace tacet {

inline bool is_terminal(int fd) { return ::isatty(fd) != 0; }

// Returns the columns of the terminal behind `fd`; `otherwise` where there is none.
inline int terminal_width(int fd, int otherwise = 80) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : otherwise;
}

}  // namespace tacet
