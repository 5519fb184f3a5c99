// Exchanges of bytes and of a few floats between the ranks of a group, built on Group::exchange. Knows nothing of what the
// bytes mean.
#pragma once

#include <string>
#include <vector>

#include "tacet/group.h"

namespace tacet {

// Sends to[q] to rank q and returns what came from each rank, by rank. One's own entry is handed back. Collective.
std::vector<std::string> swap_bytes(Group& group, std::vector<std::string> to);

// Returns a few floats of every rank, by rank: the smallest exchange there is, after which everybody has come this far.
// All send equally many floats. Collective.
std::vector<std::vector<float>> swap_floats(Group& group, const std::vector<float>& mine);

}  // namespace tacet
