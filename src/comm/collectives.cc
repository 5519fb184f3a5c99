// See collectives.h.
#include "comm/collectives.h"

#include <cassert>
#include <utility>

#include "base/bytes.h"

namespace tacet {

void barrier(Group& group) { all_gather_value(group, 1.0f); }

std::vector<int64_t> all_gather_values(Group& group, const std::vector<int64_t>& mine) {
  const std::string own(reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(int64_t));
  std::vector<int64_t> all;
  for (const std::string& part : all_gather_bytes(group, own))
    for (size_t at = 0; at < part.size();) all.push_back(take<int64_t>(part, at));
  return all;
}

std::vector<std::string> all_to_all(Group& group, std::vector<std::string> send) {
  const auto ranks = static_cast<size_t>(group.size()), me = static_cast<size_t>(group.rank());
  assert(send.size() == ranks);
  if (ranks == 1) return send;
  std::vector<int64_t> out(ranks), in(ranks);
  std::vector<std::string> got(ranks);
  std::vector<std::vector<Piece>> to(ranks), from(ranks);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    out[q] = static_cast<int64_t>(send[q].size());
    to[q] = {{&out[q], 1}};
    from[q] = {{&in[q], 1}};
  }
  group.exchange(to, from);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    got[q].resize(static_cast<size_t>(in[q]));
    to[q] = {{send[q].data(), out[q]}};
    from[q] = {{got[q].data(), in[q]}};
  }
  group.exchange(to, from);
  got[me] = std::move(send[me]);
  return got;
}

}  // namespace tacet
