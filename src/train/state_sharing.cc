// See state_sharing.h.
#include "train/state_sharing.h"

#include <utility>

#include "base/bytes.h"
#include "comm/collectives.h"

namespace tacet {
namespace {

std::string pack(const CommonState& c) {
  std::string bytes;
  for (const int64_t n : {int64_t{c.complete}, c.lines, int64_t{c.stop}, static_cast<int64_t>(c.recent.size())})
    put(bytes, n);
  return bytes + c.recent + c.numbers;
}

CommonState unpack_common(const std::string& bytes) {
  size_t at = 0;
  CommonState c;
  c.complete = take<int64_t>(bytes, at) != 0;
  c.lines = take<int64_t>(bytes, at);
  c.stop = take<int64_t>(bytes, at) != 0;
  const auto length = static_cast<size_t>(take<int64_t>(bytes, at));
  c.recent = bytes.substr(at, length);
  c.numbers = bytes.substr(at + length);
  return c;
}

}  // namespace

CommonState share(Group& group, int root, const CommonState& mine) {
  std::vector<std::string> to(static_cast<size_t>(group.size()));
  if (group.rank() == root) to.assign(to.size(), pack(mine));
  return unpack_common(all_to_all(group, std::move(to))[static_cast<size_t>(root)]);
}

void share_globals(Group& group, int root, const std::vector<bool>& lacks, const Visit& visit) {
  std::vector<std::string> to(static_cast<size_t>(group.size()));
  if (group.rank() == root) {
    std::string globals;
    for (size_t q = 0; q < lacks.size(); ++q) {
      if (!lacks[q]) continue;
      if (globals.empty()) globals = pack_globals(visit);
      to[q] = globals;
    }
  }
  const auto globals = all_to_all(group, std::move(to));
  if (lacks[static_cast<size_t>(group.rank())]) unpack_globals(visit, globals[static_cast<size_t>(root)]);
}

FaultTotals agree_on_faults(Group& group, const FaultTotals& mine) {
  FaultTotals most = mine;
  for (const FaultTotals& f : all_gather_value(group, mine))
    if (f.groups > most.groups) most = f;
  return most;
}

}  // namespace tacet
