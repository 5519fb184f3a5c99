// See network_objective.h.
#include "train/network_objective.h"

#include <torch/torch.h>

#include "data/safetensors.h"

namespace tacet {

void NetworkObjective::adopt(torch::nn::Module& module, const Values& model) {
  flat_.emplace(module);
  if (model.has("init")) load_parameters(model.text("init"), flat_->layers(), flat_->parameters());
  initial_ = flat_->parameters().clone();
}

void NetworkObjective::load(const Vec& y) {
  if (y.data_ptr() == flat_->parameters().data_ptr()) return;
  const torch::NoGradGuard no_grad;
  flat_->parameters().copy_(y);
}

}  // namespace tacet
