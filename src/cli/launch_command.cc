// See launch_command.h.
#include "cli/launch_command.h"

#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "base/places.h"
#include "launch/launch.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Returns the path of a program as a shell finds it. Throws UserError when there is none.
std::string found_program(const std::string& name) {
  namespace fs = std::filesystem;
  const auto runs = [](const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos && runs(name)) return name;
  std::istringstream folders(variable("PATH"));
  for (std::string folder; name.find('/') == std::string::npos && std::getline(folders, folder, ':');)
    if (const fs::path path = fs::path(folder.empty() ? "." : folder) / name; runs(path)) return path.string();
  throw UserError("launch: the program must be a file that can be run" +
                  std::string(name.find('/') == std::string::npos ? " in a folder of $PATH" : "") + ", got " + name);
}

}  // namespace

int cmd_launch(const ProgramArguments& arguments) {
  if (arguments.restarts < 0) throw UserError("--restarts must be >= 0, got " + std::to_string(arguments.restarts));
  LaunchOptions options;
  options.program = found_program(arguments.words.front());
  options.foreign = true;
  options.supervise = true;
  options.restarts = arguments.restarts;
  return launch_local(arguments.words, arguments.workers, options);
}

}  // namespace tacet
