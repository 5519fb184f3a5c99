// Complete checkpoints: everything that lives across rounds, keyed by client and never by rank, so that a run continues
// bitwise on any number of workers. Format: docs/checkpoint-format.md. Written to a side folder, synced and renamed, with
// checksums.
#pragma once

#include <functional>
#include <string>

#include "tacet/algorithm.h"

namespace tacet {

using Visit = std::function<void(StateVisitor&)>;

// Gathers every client's state on rank 0, which writes folder/checkpoint. Collective. `numbers`, globals and client states
// are whatever `visit` shows. Throws UserError when the disk refuses (the older checkpoint is then still there).
void save_checkpoint(const std::string& folder, Group& group, int clients, const Visit& visit);

// Restores what `visit` shows; each rank keeps the clients it hosts. Throws UserError for a missing, damaged or foreign one.
void load_checkpoint(const std::string& folder, Group& group, int clients, const Visit& visit);

}  // namespace tacet
