// The way from a worker's place to the others: the group of a run whose workers stay, or the membership of a run that may
// lose some. Placement alone is read in environment.h, and training is not known here.
#pragma once

#include <memory>
#include <string>

#include "launch/environment.h"
#include "tacet/group.h"
#include "tacet/membership.h"

namespace tacet {

struct Meeting {
  Placement place;
  std::string token;              // join token; empty: none
  std::string exchange = "auto";  // run.exchange
  double timeout_seconds = 60;    // run.peer_timeout
  int min_workers = 1;            // run.min_workers
  int run = 0;                    // GlooOptions::run
};

// Throws UserError, about `option`, where workers of several machines have no join token. `way` tells how one is given.
void require_token(const std::string& token, const Placement& place, const std::string& option, const std::string& way);

// Returns true in a worker of tacet's own launcher, which serves the rendezvous and starts lost workers again.
bool placed_by_tacet();

// Returns the meeting of a worker that a launcher has placed, with the join token of its environment. A launcher of tacet
// serves the rendezvous, and has seen to the token. Throws UserError where workers of several machines have none.
Meeting placed_meeting(Placement place, const std::string& exchange, double timeout_seconds, int min_workers);

// Returns the group of a run that never forms a second term, as under torchrun, whose agent starts all workers anew by
// itself. Throws PeerLost, which says how the worker was placed, when the others do not come in time.
std::unique_ptr<Group> fixed_group(const Meeting& meeting);

// Returns the membership of a worker, who finds the rendezvous by it. Throws PeerLost, which says how the worker was placed.
std::unique_ptr<Membership> membership_of(const Meeting& meeting);

}  // namespace tacet
