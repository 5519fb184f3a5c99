// See svg_png.h.
#include "figure/svg_png.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "base/system_random.h"

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
  // Aside and then renamed, as several processes may draw one figure.
  const std::string aside = png + "." + std::to_string(system_random_word()) + ".part";
  std::error_code error;
  std::filesystem::remove(png, error);  // an older one would be of another drawing
  if (succeeds({"rsvg-convert", "--zoom", "2", "--output", aside, svg})) {
    std::filesystem::rename(aside, png, error);
    return !error;
  }
  std::filesystem::remove(aside, error);
  return false;
}

}  // namespace tacet
