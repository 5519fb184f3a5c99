// From a recipe to the clients' mini-batches of separate samples: the partition that [data] names, dealt once or in every
// round.
#pragma once

#include <cstdint>
#include <vector>

#include "data/clients/client_batches.h"
#include "tacet/recipe.h"

namespace tacet {

// labels: one a training sample; users: empty, or one a sample. Dealt anew in every round (data.partition.every_round), the
// samples go to the clients of that round alone. Throws UserError as partition() does.
ClientBatches make_client_batches(const Recipe& recipe, std::vector<int32_t> labels, std::vector<int32_t> users,
                                  int clients);

}  // namespace tacet
