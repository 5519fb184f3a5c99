// The owners of the training samples: pure functions from labels (and users) to a list of samples for every client. Reading
// them in some order is not done here (client_batches.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

struct PartitionOptions {
  // iid         shuffled, dealt in equal blocks
  // similarity  SCAFFOLD's protocol (Karimireddy et al., ICML 2020): `similarity` % of the samples are dealt iid. The rest
  //             is sorted by label and dealt in equal consecutive blocks. Where samples have users, the rest is sorted by
  //             the users' mean label (their positive rate), each user's samples together.
  // one-class   each client has samples of one class; needs at least as many clients as classes
  // classes     the samples, sorted by label, are cut into clients × `classes` equal shards, and each client gets
  //             `classes` of them at random (McMahan et al., AISTATS 2017): a shard at a border holds two classes
  // dirichlet   each class is dealt in shares drawn from Dirichlet(`alpha`) (Hsu et al., 2019)
  // percent     consecutive blocks in the files' order, client i has `percent`[i] % of the samples
  // shared      every client has all samples, and draws them in an order of its own
  // users       whole users, dealt in equal numbers at random
  std::string kind = "iid";
  double similarity = 0;             // s in %, 0 … 100
  int64_t classes = 2;               // k ≥ 1
  double alpha = 0.5;                // > 0; the smaller, the more the clients differ
  std::vector<double> percent = {};  // one > 0 for each client, of sum 100 ± 0.5
  uint64_t seed = 1;                 // the partition's own seed
  bool every_round = false;          // the data is dealt anew in every round

  // Binds the keys partition.kind, partition.similarity, …. Without labels there are only iid and percent; `users` tells
  // whether samples have users.
  void options(OptionList& o, bool labels, bool users);
};

// Returns what the checked keys of [data] say.
PartitionOptions partition_options(const Values& data);

using Shares = std::vector<std::vector<int32_t>>;  // by client: indices of its samples

// Deals the samples 0 … labels.size()−1, each exactly once (kind shared: to every client). labels: ≥ 0; users: empty, or one
// ≥ 0 a sample. No client is left without samples: one that would be gets a sample of the largest. `round` makes another
// deal of the same kind for every round. Throws UserError naming the keys when there are fewer samples, users or (one-class)
// clients than needed, when the percentages don't fit, or when the kind needs users and there are none.
Shares partition(const PartitionOptions& options, std::span<const int32_t> labels, std::span<const int32_t> users,
                 int clients, int64_t round = 0);

// Returns `count` of the samples 0 … all−1 in ascending order, drawn at random from a partition's seed.
// REQUIRES: count <= all.
std::vector<int64_t> drawn_samples(int64_t all, int64_t count, uint64_t seed);

}  // namespace tacet
