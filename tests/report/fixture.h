// Run folders for the tests of `tacet compare` and `tacet report`, made up but shaped like a language model's training. They
// are written as files and read back, so the reader is always part of what is tested.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/runs.h"
#include "support/temp_folder.h"

namespace tacet::report_test {

using test::TempFolder;

void write(const std::filesystem::path& file, const std::string& text);

struct Shape {
  std::string algorithm = "celgc";
  int interval = 8;  // local steps a round
  int clients = 8, workers = 2;
  int epochs = 12;
  int steps = 80;      // local steps an epoch and client
  double floor = 4.0;  // where the training loss tends to
  double step_seconds = 0.05, message_seconds = 0.2;
  unsigned seed = 1;
  bool done = true;       // false: no summary, and a half-written last line
  int layers = 1;         // of the model
  bool accuracy = false;  // a classifier: accuracy on the test set only
  bool pairs = false;     // smoothness was measured in every fourth round; each fifth of its pairs does not count
};

// Writes recipe.toml, metrics.jsonl and summary.json of such a run; makes the folder.
void write_run(const std::filesystem::path& folder, const Shape& shape);

}  // namespace tacet::report_test
