// A group of workers for one membership term (include/tacet/membership.h): they are known, only the connections are made.
// Nothing of an older term can get into it, since everything at the rendezvous is found under the term's own name.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tacet/group.h"

namespace tacet {

struct GlooTerm {
  std::string name;               // unique in the run
  std::vector<int> workers;       // by rank: the worker's number, for messages
  double connect_seconds = 5;     // limit: who has signed in a moment ago connects at once, or is gone
  std::function<bool()> is_over;  // returns true if a worker is known to be gone already
};

// `options` as for gloo_group, `hosted` and store "tacet". Throws PeerLost when a worker is gone before all are connected.
std::unique_ptr<Group> gloo_term(const GlooOptions& options, const GlooTerm& term);

}  // namespace tacet
