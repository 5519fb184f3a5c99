// A group of processes for one membership epoch (src/comm/membership.h): the members are known, only the connections are
// made. Nothing of an older epoch can get into it, since everything at the rendezvous is found under the epoch's own name.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tacet/group.h"

namespace tacet {

struct GlooEpoch {
  std::string name;               // unique in the run
  std::vector<int> workers;       // by rank: the worker's number, for messages
  double connect_seconds = 5;     // who has signed in a moment ago connects at once, or is gone
  std::function<bool()> is_over;  // whether a member is known to be gone already
};

// `options` as for gloo_group, `hosted` and store "tacet". Throws PeerLost when a member is gone before all are connected.
std::unique_ptr<Group> gloo_epoch(const GlooOptions& options, const GlooEpoch& epoch);

}  // namespace tacet
