// See client_copies.h.
#include "train/client_copies.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "comm/collectives.h"
#include "engine/tree_sum.h"

namespace tacet {
namespace {

Piece piece_of(std::string& bytes) { return {bytes.data(), static_cast<int64_t>(bytes.size())}; }

}  // namespace

void SecondCopy::renew(Group& group, const ClientVectors& mine) {
  kept_.clear();
  any_.assign(static_cast<size_t>(group.size()), false);
  std::string bytes = pack(mine);
  const auto sizes = all_gather_value(group, static_cast<int64_t>(bytes.size()));
  receive(group, bytes, sizes);
  commit();
  staged_ = {};  // frees the memory of all the rank's clients; a round's is smaller
}

void SecondCopy::receive(Group& group, std::string& mine, const std::vector<int64_t>& sizes) {
  staged_.clear();
  const int ranks = group.size(), me = group.rank();
  const int next = (me + 1) % ranks, before = (me + ranks - 1) % ranks;
  for (int q = 0; q < ranks; ++q)
    if (sizes[static_cast<size_t>(q)] > 0) any_[static_cast<size_t>(q)] = true;
  if (ranks == 1) return;
  const auto size = static_cast<size_t>(sizes[static_cast<size_t>(before)]);
  coming_.resize(size);
  std::vector<std::vector<Piece>> to(static_cast<size_t>(ranks)), from(static_cast<size_t>(ranks));
  if (!mine.empty()) to[static_cast<size_t>(next)].push_back(piece_of(mine));
  if (!coming_.empty()) from[static_cast<size_t>(before)].push_back(piece_of(coming_));
  group.exchange(to, from);
  std::swap(staged_, coming_);
}

void SecondCopy::commit() {
  unpack_into(staged_, kept_);
  staged_.clear();
}

Agreement agree(const std::vector<Claim>& claims, int rank) {
  const auto latest = [](const Claim& c) { return c.has_state ? std::max(c.placement, c.staged) : c.staged; };
  int64_t newest = 0, settled = 0;
  for (const Claim& c : claims) {
    newest = std::max(newest, latest(c));
    if (c.has_state) settled = std::max(settled, c.placement);
  }
  bool in_force = newest > 0;
  for (const Claim& c : claims) in_force = in_force && (!c.has_state || latest(c) == newest);
  assert(in_force || settled < newest || newest == 0);  // a worker that has moved on has seen all others stage
  Agreement agreed;
  for (size_t q = 0; q < claims.size(); ++q) {
    const Claim& c = claims[q];
    const bool staged = in_force && c.staged == newest;
    agreed.holds.push_back(c.has_state || staged);
    if (!agreed.holds.back()) continue;
    if (agreed.root < 0) agreed.root = static_cast<int>(q);
    agreed.rounds = std::max(agreed.rounds, c.rounds);
    if (static_cast<int>(q) == rank) agreed.adopt = staged;
  }
  return agreed;
}

Agreement agree(Group& group, const Claim& mine) {
  const auto told = all_gather(group, {mine.has_state ? 1.0 : 0.0, mine.rounds, static_cast<double>(mine.placement),
                                       static_cast<double>(mine.staged)});
  std::vector<Claim> claims;
  for (size_t k = 0; k < told.size(); k += 4)
    claims.push_back({told[k] != 0, told[k + 1], static_cast<int64_t>(told[k + 2]), static_cast<int64_t>(told[k + 3])});
  return agree(claims, group.rank());
}

// Returns the worker that has a worker's clients: itself or the next one, which keeps their second copy; −1: none.
int64_t ClientCopies::keeper(size_t home, const std::set<int64_t>& holders) const {
  const auto& workers = now_.workers;
  if (holders.count(workers[home]) > 0) return workers[home];
  if (!copies_) return -1;
  const int64_t next = workers[(home + 1) % workers.size()];
  return holders.count(next) > 0 ? next : -1;
}

bool ClientCopies::complete(const std::set<int64_t>& holders) const {
  for (size_t home = 0; home < now_.workers.size(); ++home)
    if (keeper(home, holders) < 0 && (!copies_ || now_.second.had_any(static_cast<int>(home)))) return false;
  return true;
}

ClientVectors ClientCopies::fetch(Group& group, const Visit& visit, const std::set<int64_t>& holders, int64_t me) const {
  const auto after = block_bounds(clients_, group.size());
  std::vector<ClientVectors> out(static_cast<size_t>(group.size()));
  for (size_t home = 0; me >= 0 && home < now_.workers.size(); ++home) {
    if (keeper(home, holders) != me) continue;
    const auto before = block_bounds(clients_, static_cast<int>(now_.workers.size()));
    std::set<int> theirs;
    for (int64_t c = before[home]; c < before[home + 1]; ++c) theirs.insert(static_cast<int>(c));
    for (const auto& [client, vectors] : now_.workers[home] == me ? copy_clients(visit, theirs) : now_.second.clients()) {
      const auto there = std::upper_bound(after.begin(), after.end(), client) - after.begin() - 1;
      if (theirs.count(client) > 0) out[static_cast<size_t>(there)][client] = vectors;
    }
  }
  std::vector<std::string> to;
  for (ClientVectors& vectors : out) {
    to.push_back(pack(vectors));
    vectors.clear();
  }
  ClientVectors mine;
  for (const std::string& part : all_to_all(group, std::move(to))) mine.merge(unpack(part));
  return mine;
}

void ClientCopies::stage(Group& group, int64_t number, std::vector<int64_t> workers, ClientVectors mine, double rounds) {
  Placement next{number, std::move(workers), {}, std::move(mine), rounds};
  next.second.renew(group, copies_ ? next.mine : ClientVectors());
  next_ = std::move(next);
  barrier(group);
}

void ClientCopies::adopt(const Visit& visit) {
  assert(next_.number > 0);
  put_clients(visit, next_.mine, true);
  now_ = std::exchange(next_, {});
  now_.mine.clear();
}

}  // namespace tacet
