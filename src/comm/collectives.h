// Collectives of plain values and bytes, built on Group::exchange. They are for agreements among workers, not for the
// method's vectors.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "tacet/group.h"

namespace tacet {

// Returns one plain value of every rank, by rank. Collective.
template <class T>
std::vector<T> all_gather_value(Group& group, T mine) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto ranks = static_cast<size_t>(group.size()), me = static_cast<size_t>(group.rank());
  std::vector<T> all(ranks);
  std::vector<std::vector<Piece>> to(ranks), from(ranks);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    to[q] = {{&mine, 1}};
    from[q] = {{&all[q], 1}};
  }
  if (ranks > 1) group.exchange(to, from);
  all[me] = mine;
  return all;
}

// Waits until every rank has come this far. Collective.
void barrier(Group& group);

// Returns `mine` of every rank, in rank order, on all ranks. Collective.
std::vector<int64_t> all_gather_values(Group& group, const std::vector<int64_t>& mine);

// Sends send[q] to rank q and returns the bytes that came from each rank; this rank's own entry is handed back. Much is sent
// in slices, so that no rank waits for longer than one of them takes. Collective.
std::vector<std::string> all_to_all(Group& group, std::vector<std::string> send);

}  // namespace tacet
