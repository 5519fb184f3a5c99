// What all groups share. Backends are in src/comm.
#include "tacet/group.h"

#include <cstring>
#include <numeric>

#include "tacet/error.h"

namespace tacet {

std::vector<int> Group::hosts() const {
  std::vector<int> alone(static_cast<size_t>(size()));
  std::iota(alone.begin(), alone.end(), 0);
  return alone;
}

PeerLost Group::lost(int peer, const std::string& how, bool) {
  return PeerLost(peer, "worker " + std::to_string(peer) + " " + how);
}

std::vector<double> all_gather(Group& group, const std::vector<double>& mine) {
  const int ranks = group.size(), me = group.rank();
  // Doubles travel as pairs of floats by their bits, first the counts (at most 2^32−1 numbers a rank), then the numbers.
  const auto swap_all = [&](std::vector<float>& own, std::vector<std::vector<float>>& theirs) {
    std::vector<std::vector<Piece>> to(ranks), from(ranks);
    for (int q = 0; q < ranks; ++q) {
      if (q == me) continue;
      if (!own.empty()) to[q].push_back({own.data(), static_cast<int64_t>(own.size())});
      if (!theirs[q].empty()) from[q].push_back({theirs[q].data(), static_cast<int64_t>(theirs[q].size())});
    }
    group.exchange(to, from);
  };
  std::vector<float> count(1);
  const auto n = static_cast<uint32_t>(mine.size());
  std::memcpy(count.data(), &n, sizeof n);
  std::vector<std::vector<float>> counts(ranks, std::vector<float>(1));
  if (ranks > 1) swap_all(count, counts);
  counts[me] = count;

  std::vector<float> own(mine.size() * 2);
  if (!mine.empty()) std::memcpy(own.data(), mine.data(), mine.size() * sizeof(double));
  std::vector<std::vector<float>> theirs(ranks);
  for (int q = 0; q < ranks; ++q) {
    uint32_t m = 0;
    std::memcpy(&m, counts[q].data(), sizeof m);
    theirs[q].resize(size_t{m} * 2);
  }
  if (ranks > 1) swap_all(own, theirs);
  theirs[me] = own;

  std::vector<double> all;
  for (const auto& part : theirs) {
    const size_t first = all.size();
    all.resize(first + part.size() / 2);
    if (!part.empty()) std::memcpy(all.data() + first, part.data(), part.size() * sizeof(float));
  }
  return all;
}

}  // namespace tacet
