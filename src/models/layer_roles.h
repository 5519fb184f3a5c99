// The parts of a model's tensors, by which Muon chooses its matrices.
#pragma once

#include <vector>

#include "tacet/objective.h"

namespace tacet {

// Gives each layer its role, by its dimensions and by names that are common (embedding, wte, head, …). REQUIRES: the layers
// are all that are trained of a model, in order, as the last matrix of one without embeddings is its head.
void give_roles(std::vector<Layer>& layers);

}  // namespace tacet
