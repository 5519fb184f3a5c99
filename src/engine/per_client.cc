// Implements PerClient: a vector that lives with its client. See tacet/algorithm.h for the contract.
#include <mutex>

#include <ATen/ops/zeros_like.h>

#include "tacet/algorithm.h"

namespace tacet {

Vec PerClient::make(int client, const Vec& like) const {
  if (allocate_ && like.dim() == 1 && like.scalar_type() == at::kFloat) return allocate_(client, like.numel());
  return at::zeros_like(like);
}

Vec& PerClient::at(const Client& i, const Vec& like) {
  const std::lock_guard lock(mutex_);
  Vec& v = vectors_[i.id()];
  if (v.defined()) return v;
  v = make(i.id(), like);
  // A place of the driver's may have what the client had before its vector was dropped.
  if (allocate_) v.zero_();
  return v;
}

void PerClient::put(int client, const Vec& value) {
  const std::lock_guard lock(mutex_);
  Vec& v = vectors_[client];
  v = make(client, value);
  v.copy_(value);
}

}  // namespace tacet
