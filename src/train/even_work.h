// Deals a round's clients to the workers by their local steps, so that no worker waits long for another. A client may take
// its turn elsewhere than where it lives: its vectors are lent to that worker and come back before the round counts. Where
// clients live is decided elsewhere (client_copies.h), and no bit of a result depends on either.
#pragma once

#include <cstdint>
#include <vector>

#include "tacet/group.h"
#include "train/state_codec.h"

namespace tacet {

// Returns the bounds of contiguous pieces of a round's positions, one for each rank, that take about equally many steps.
std::vector<int64_t> even_bounds(const std::vector<int64_t>& steps, int ranks);

// A client whose turn is not where it lives.
struct Guest {
  int client, home, worker;  // ranks
  bool operator==(const Guest&) const = default;
};

// A round's work.
struct WorkPlan {
  std::vector<int64_t> bounds;  // rank q has the turns of positions bounds[q] … bounds[q + 1] − 1
  std::vector<Guest> guests;    // ascending
};

// Returns the plan in which every client works where it lives.
WorkPlan work_at_home(const std::vector<int>& sampled, int clients, int ranks);
// Returns a plan for the sampled clients, which take so many steps. It has guests only where they make the longest part of a
// worker shorter. Equal on all ranks.
WorkPlan even_work(const std::vector<int>& sampled, const std::vector<int64_t>& steps, int clients, int ranks);

// Lends the guests' vectors to the workers of their turns. Lends nothing and returns false where they are too large to move
// twice in a round, or where a rank has no room for those of others. Collective.
bool lend(Group& group, const Visit& visit, const std::vector<Guest>& guests, bool has_room);
// Brings the guests' vectors back to their homes, and leaves none at the others. Collective.
void give_back(Group& group, const Visit& visit, const std::vector<Guest>& guests);

}  // namespace tacet
