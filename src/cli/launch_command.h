// `tacet launch`: workers of a program of the user's own, such as a Python script that calls tacet. They get a launcher's
// variables; nothing of what they do is known here.
#pragma once

#include <string>
#include <vector>

namespace tacet {

struct ProgramArguments {
  int workers = 0;
  int restarts = 3;
  std::vector<std::string> words;  // the program and its arguments
};

// Starts the workers, serves their rendezvous and waits for them. Returns the exit code, as launch_local does. Throws
// UserError for a program that is not there.
int cmd_launch(const ProgramArguments& arguments);

}  // namespace tacet
