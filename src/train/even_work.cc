// See even_work.h.
#include "train/even_work.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "comm/collectives.h"
#include "engine/tree_sum.h"

namespace tacet {
namespace {

// Bytes of a guest, on average, beyond which it stays at home: positions in the data move, and models do not.
constexpr int64_t most_bytes_a_guest = 1 << 18;

// Returns the steps of the rank that has most of them.
int64_t longest_part(const std::vector<int64_t>& steps, const std::vector<int64_t>& bounds) {
  int64_t most = 0;
  for (size_t q = 0; q + 1 < bounds.size(); ++q)
    most = std::max(most, std::accumulate(steps.begin() + bounds[q], steps.begin() + bounds[q + 1], int64_t{0}));
  return most;
}

// Sends the vectors of each guest from one of its two ranks to the other.
void move_guests(Group& group, const Visit& visit, const std::vector<Guest>& guests, int Guest::*from, int Guest::*to) {
  std::vector<std::set<int>> leaving(static_cast<size_t>(group.size()));
  for (const Guest& g : guests)
    if (g.*from == group.rank()) leaving[static_cast<size_t>(g.*to)].insert(g.client);
  std::vector<std::string> send(leaving.size());
  for (size_t q = 0; q < leaving.size(); ++q)
    if (!leaving[q].empty()) pack_clients(visit, leaving[q], send[q]);
  for (const std::string& part : all_to_all(group, std::move(send)))
    if (!part.empty()) put_clients(visit, unpack(part), false);
}

}  // namespace

std::vector<int64_t> even_bounds(const std::vector<int64_t>& steps, int ranks) {
  const auto S = static_cast<int64_t>(steps.size());
  if (std::all_of(steps.begin(), steps.end(), [&](int64_t s) { return s == steps.front(); })) return block_bounds(S, ranks);
  const int64_t all = std::accumulate(steps.begin(), steps.end(), int64_t{0});
  std::vector<int64_t> bounds = {0};
  int64_t position = 0, done = 0;
  for (int q = 1; q < ranks; ++q) {
    const int64_t goal = all * q / ranks;  // steps before rank q's
    // The nearest bound to the goal, the lower one of two.
    while (position < S && std::abs(done + steps[static_cast<size_t>(position)] - goal) < std::abs(done - goal))
      done += steps[static_cast<size_t>(position++)];
    bounds.push_back(position);
  }
  bounds.push_back(S);
  return bounds;
}

WorkPlan work_at_home(const std::vector<int>& sampled, int clients, int ranks) {
  WorkPlan plan;
  for (const int64_t first : block_bounds(clients, ranks))
    plan.bounds.push_back(std::lower_bound(sampled.begin(), sampled.end(), first) - sampled.begin());
  return plan;
}

WorkPlan even_work(const std::vector<int>& sampled, const std::vector<int64_t>& steps, int clients, int ranks) {
  WorkPlan at_home = work_at_home(sampled, clients, ranks);
  if (ranks == 1 || sampled.empty()) return at_home;
  WorkPlan plan{even_bounds(steps, ranks), {}};
  if (longest_part(steps, plan.bounds) >= longest_part(steps, at_home.bounds)) return at_home;
  const std::vector<int64_t> homes = block_bounds(clients, ranks);
  const auto rank_in = [](const std::vector<int64_t>& bounds, int64_t k) {
    return static_cast<int>(std::upper_bound(bounds.begin(), bounds.end(), k) - bounds.begin()) - 1;
  };
  for (size_t k = 0; k < sampled.size(); ++k) {
    const Guest g{sampled[k], rank_in(homes, sampled[k]), rank_in(plan.bounds, static_cast<int64_t>(k))};
    if (g.home != g.worker) plan.guests.push_back(g);
  }
  return plan;
}

bool lend(Group& group, const Visit& visit, const std::vector<Guest>& guests, bool has_room) {
  const int64_t most = most_bytes_a_guest * static_cast<int64_t>(guests.size());
  const auto states = states_of(visit);
  int64_t bytes = has_room ? 0 : most + 1;
  for (const Guest& g : guests)
    if (g.home == group.rank())
      for (const Vec& v : vectors_of(states, g.client)) bytes += v.defined() ? static_cast<int64_t>(v.nbytes()) : 0;
  const auto all = all_gather_value(group, bytes);
  if (std::accumulate(all.begin(), all.end(), int64_t{0}) > most) return false;
  move_guests(group, visit, guests, &Guest::home, &Guest::worker);
  return true;
}

void give_back(Group& group, const Visit& visit, const std::vector<Guest>& guests) {
  move_guests(group, visit, guests, &Guest::worker, &Guest::home);
  ClientVectors gone;
  const size_t states = states_of(visit).size();
  for (const Guest& g : guests)
    if (g.worker == group.rank()) gone[g.client].resize(states);
  if (!gone.empty()) put_clients(visit, gone, false);
}

}  // namespace tacet
