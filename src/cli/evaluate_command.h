// `tacet eval`: evaluates a model on its validation and test data.
#pragma once

#include <string>
#include <vector>

namespace tacet {

// Prints the figures of a model, which is a run's folder or a safetensors file. `recipe` may be empty for a run's folder.
// Returns the exit code. Throws UserError.
int cmd_eval(const std::string& model, const std::string& recipe, const std::vector<std::string>& sets);

}  // namespace tacet
