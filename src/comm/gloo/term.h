// The connections of one membership term (include/tacet/membership.h), whose workers are known. Nothing of an older term can
// get in, since all keys at the rendezvous have the term's own name.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tacet/group.h"

namespace tacet {

struct GlooTerm {
  std::string name;               // unique in the run (GlooOptions::run)
  std::vector<int> workers;       // workers' numbers by rank, for error messages
  double connect_seconds = 5;     // limit; a worker that has signed in connects at once or is lost
  std::function<bool()> is_over;  // returns true if a worker is known to be lost already
};

// Connects the workers. Throws PeerLost when one is lost before all are connected. REQUIRES: `options` are those of
// gloo_group, with `hosted` and store "tacet".
std::unique_ptr<Group> gloo_term(const GlooOptions& options, const GlooTerm& term);

}  // namespace tacet
