// Collectives of plain values and bytes, built on Group::exchange. They carry what runs agree on, not the method's vectors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tacet/group.h"

namespace tacet {

// Returns `mine` of every rank, in rank order, on all ranks. Collective.
std::vector<int64_t> all_gather_values(Group& group, const std::vector<int64_t>& mine);

// Sends send[q] to rank q and returns what came from each; the own entry is handed back. Collective.
std::vector<std::string> all_to_all(Group& group, std::vector<std::string> send);

}  // namespace tacet
