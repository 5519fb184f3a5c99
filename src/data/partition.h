// Who holds which training example. A pure function of the labels (or users), the number of clients and the keys of
// [data.partition].
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tacet/options.h"

namespace tacet {

struct Partition {
  std::vector<std::vector<int64_t>> clients;  // the examples of each client, ascending
};

// partition.kind = "iid": the examples are dealt at random, the first (examples mod clients) clients get one more.
// "similarity" (Karimireddy et al., "SCAFFOLD", ICML 2020, section 7): partition.similarity % of the examples, drawn at
// random, are dealt like that; the others are sorted and dealt in consecutive blocks. They are sorted by label or, where
// `users` is not empty, by their user's share of the largest label (all texts of a user stay together), ties by number of
// the user and example. All draws come from partition.seed. Throws UserError when a client would get no example.
Partition make_partition(const Values& data, std::span<const int64_t> labels, std::span<const int64_t> users, int clients);

std::vector<Option> partition_options();

}  // namespace tacet
