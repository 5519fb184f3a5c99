// `tacet figure`: runs what is missing of a figure and draws it.
#pragma once

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace tacet {

struct FigureArguments {
  std::string name;  // of a file in recipes/figures, or a path
  std::string out;   // empty: figures/<name>
  int jobs = 0;      // 0: as many as cores and memory allow
  int workers = 1;
  bool retry = false, quiet = false, dry_run = false;
};

void declare(CLI::App& command, FigureArguments& arguments);

// Runs the command. Returns 0, or 128 + signal after a signal. Throws UserError, also where a run has failed.
int cmd_figure(const FigureArguments& arguments);

}  // namespace tacet
