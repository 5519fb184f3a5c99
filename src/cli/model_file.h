// A model from its file, for commands that train nothing.
#pragma once

#include <string>

#include "tacet/objective.h"

namespace tacet {

// Returns the parameters in a safetensors file, and loads the running statistics of batch normalisation into the objective:
// from the file, or from the checkpoint of the run, whose folder is empty where there is none. Warns of tensors that are not
// the model's. Throws UserError for a file that does not fit.
Vec load_model(Objective& objective, const std::string& file, const std::string& run);

}  // namespace tacet
