// The parts that all groups share. Backends are in src/comm.
#include "tacet/group.h"

#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "base/bytes.h"
#include "tacet/error.h"

namespace tacet {

std::vector<int> Group::hosts() const {
  std::vector<int> alone(static_cast<size_t>(size()));
  std::iota(alone.begin(), alone.end(), 0);
  return alone;
}

PeerLost Group::lost(int rank, const std::string& how, bool) {
  return PeerLost(rank, "worker " + std::to_string(rank) + " " + how);
}

std::vector<std::string> all_gather_bytes(Group& group, const std::string& mine) {
  const auto ranks = static_cast<size_t>(group.size()), me = static_cast<size_t>(group.rank());
  if (mine.size() > std::numeric_limits<uint32_t>::max()) throw std::logic_error("all_gather_bytes: more than 4 GiB");
  std::vector<std::string> all(ranks);
  std::string own = mine;
  if (ranks > 1) {
    auto size = static_cast<uint32_t>(mine.size());
    std::vector<uint32_t> sizes(ranks);
    const auto swap_all = [&](Piece piece, const auto& room) {
      std::vector<std::vector<Piece>> to(ranks), from(ranks);
      for (size_t q = 0; q < ranks; ++q)
        if (q != me) to[q].push_back(piece), from[q].push_back(room(q));
      group.exchange(to, from);
    };
    swap_all({&size, 1}, [&](size_t q) { return Piece(&sizes[q], 1); });
    swap_all({own.data(), static_cast<int64_t>(own.size())}, [&](size_t q) {
      all[q].resize(sizes[q]);
      return Piece(all[q].data(), static_cast<int64_t>(all[q].size()));
    });
  }
  all[me] = std::move(own);
  return all;
}

std::vector<double> all_gather(Group& group, const std::vector<double>& mine) {
  const std::string own(reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(double));
  std::vector<double> all;
  for (const std::string& part : all_gather_bytes(group, own))
    for (size_t at = 0; at < part.size();) all.push_back(take<double>(part, at));
  return all;
}

}  // namespace tacet
