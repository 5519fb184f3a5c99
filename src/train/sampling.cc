// See sampling.h. The driver draws S_r from the same stream; tests/train compares the two.
#include "train/sampling.h"

#include <algorithm>
#include <numeric>

#include "tacet/random.h"

namespace tacet {

std::vector<int> sampled_clients(uint64_t seed, int64_t round, int clients, int sampled, bool fixed) {
  std::vector<int> ids(static_cast<size_t>(clients));
  std::iota(ids.begin(), ids.end(), 0);
  if (sampled == clients) return ids;
  if (!fixed) {
    const auto order = Stream(seed, Stream::everyone, Purpose::client_sampling, round, 0).permutation(clients);
    for (size_t k = 0; k < ids.size(); ++k) ids[k] = static_cast<int>(order[k]);
  }
  ids.resize(static_cast<size_t>(sampled));
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace tacet
