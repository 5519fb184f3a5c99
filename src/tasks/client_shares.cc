// See client_shares.h.
#include "tasks/client_shares.h"

#include <numeric>

#include "data/clients/partition.h"
#include "engine/client_sampling.h"
#include "tacet/error.h"

namespace tacet {

ClientBatches make_client_batches(const Recipe& recipe, std::vector<int32_t> labels, std::vector<int32_t> users,
                                  int clients) {
  const PartitionOptions options = partition_options(recipe.data);
  const int64_t batch_size = recipe.data.integer("batch_size");
  if (recipe.evaluation) {  // of one client, as nobody trains
    std::vector<int32_t> all(labels.size());
    std::iota(all.begin(), all.end(), 0);
    return {Shares{std::move(all)}, batch_size};
  }
  if (options.kind == "shared") {
    std::vector<int32_t> all(labels.size());
    std::iota(all.begin(), all.end(), 0);
    return ClientBatches::shared(std::move(all), clients, batch_size);
  }
  if (!options.every_round) return {partition(options, labels, users, clients), batch_size};
  const auto samples = static_cast<int64_t>(labels.size());
  const auto deal = [options, clients, labels = std::move(labels), users = std::move(users),
                     sampling = client_sampling(recipe.clients, clients),
                     seed = static_cast<uint64_t>(recipe.run.integer("seed"))](int64_t round) {
    const std::vector<int> present = sample_clients(sampling, seed, round);
    Shares dealt = partition(options, labels, users, sampling.participating, round);
    Shares shares(static_cast<size_t>(clients));
    for (size_t k = 0; k < present.size(); ++k) shares[static_cast<size_t>(present[k])] = std::move(dealt[k]);
    return shares;
  };
  try {
    deal(0);  // mistakes in the partition show now
  } catch (const UserError& error) {
    throw UserError(std::string(error.what()) +
                    "; with data.partition.every_round the clients are those that take part in a round "
                    "(clients.participating)");
  }
  return {deal, clients, samples, batch_size};
}

}  // namespace tacet
