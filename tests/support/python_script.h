// Runs a program beside a test that writes its inputs as other software does. It compares nothing itself.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <string>

namespace tacet::test {

constexpr int kModuleMissing = 77;  // exit code of a script whose Python lacks a module that it needs, which it has named
constexpr int kNoPython = 127;      // exit code where there is no /usr/bin/python3

// Runs a script with Debian's Python and returns its exit code. `words` follow the script as the shell reads them.
inline int run_python(const std::string& script, const std::string& words) {
  const int status = std::system(("/usr/bin/python3 -B " + script + " " + words).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace tacet::test
