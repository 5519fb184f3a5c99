// See positions.h.
#include "train/positions.h"

#include <torch/torch.h>

namespace tacet {

void visit_positions(StateVisitor& visitor, ClientBatches& batches, PerClient& saved) {
  for (const auto& [client, p] : batches.positions()) saved.all()[client] = torch::tensor({p.pass, p.offset}, torch::kInt64);
  visitor.clients("position", saved);
  batches.positions().clear();
  for (auto& [client, place] : saved.all())
    batches.positions()[client] = {place[0].item<int64_t>(), place[1].item<int64_t>()};
}

}  // namespace tacet
