// Messages by which workers of a new term bring each other to one state: what is equal on all ranks, and the totals of
// faults. Which worker has the state, and what follows from it, is decided in session.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tacet/group.h"
#include "train/run_state.h"
#include "train/state_codec.h"

namespace tacet {

// The root's message to all others before vectors travel.
struct CommonState {
  bool complete = false;  // no client's state is lost
  int64_t lines = 0;      // of metrics.jsonl
  bool stop = false;
  std::string recent;   // the last lines, for a leader that lacks them
  std::string numbers;  // pack_numbers()
};

// Returns what the root has, on all ranks. Collective.
CommonState share(Group& group, int root, const CommonState& mine);

// Sends the global vectors from the root to the ranks that lack them, which unpack them. Collective.
void share_globals(Group& group, int root, const std::vector<bool>& lacks, const Visit& visit);

// Returns the totals of the rank that has counted the most, on all ranks. Collective.
FaultTotals agree_on_faults(Group& group, const FaultTotals& mine);

}  // namespace tacet
