// See svg_png.h.
#include "figure/svg_png.h"

#include <sys/wait.h>
#include <unistd.h>

#include <vector>

namespace tacet {
namespace {

// Runs a program found in $PATH and returns true if it ended with 0.
bool succeeds(const std::vector<std::string>& words) {
  std::vector<std::string> texts = words;
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

bool write_png(const std::string& svg, const std::string& png) {
  return succeeds({"rsvg-convert", "--zoom", "2", "--output", png, svg});
}

}  // namespace tacet
