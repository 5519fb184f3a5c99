// See client_batches.h.
#include "data/client_batches.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cassert>

namespace tacet {

ClientBatches::ClientBatches(std::vector<std::vector<int64_t>> clients, int64_t batch_size)
    : clients_(std::move(clients)), positions_(clients_.size()), batch_size_(batch_size) {
  assert(batch_size_ >= 1);
  for (const auto& mine : clients_) {
    assert(!mine.empty());
    examples_ += static_cast<int64_t>(mine.size());
  }
}

std::vector<int64_t> ClientBatches::next(const Draw& draw) {
  const std::vector<int64_t>& mine = clients_.at(static_cast<size_t>(draw.client));
  Position& p = positions_[static_cast<size_t>(draw.client)];
  const auto n = static_cast<int64_t>(mine.size());
  if (p.ordered_pass != p.pass) {
    p.order = Stream(draw.seed, draw.client, Purpose::shuffle, p.pass, 0).permutation(n);
    p.ordered_pass = p.pass;
  }
  const int64_t end = std::min(p.offset + batch_size_, n);
  std::vector<int64_t> batch;
  for (int64_t k = p.offset; k < end; ++k) batch.push_back(mine[static_cast<size_t>(p.order[static_cast<size_t>(k)])]);
  p.offset = end;
  if (p.offset == n) {
    ++p.pass;
    p.offset = 0;
  }
  return batch;
}

double ClientBatches::client_weight(int client) const {
  return static_cast<double>(clients_.at(static_cast<size_t>(client)).size()) * static_cast<double>(clients_.size()) /
         static_cast<double>(examples_);
}

void ClientBatches::state(StateVisitor& visitor) {
  for (size_t i = 0; i < positions_.size(); ++i)
    if (const Position& p = positions_[i]; p.pass > 0 || p.offset > 0)
      saved_.all()[static_cast<int>(i)] = at::tensor({p.pass, p.offset}, at::kLong);
  visitor.clients("position", saved_);
  for (auto& [client, saved] : saved_.all()) {
    Position& p = positions_.at(static_cast<size_t>(client));
    p.pass = saved.data_ptr<int64_t>()[0];
    p.offset = saved.data_ptr<int64_t>()[1];
  }
}

}  // namespace tacet
