// See network_task.h.
#include "tasks/network_task.h"

#include <utility>

#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "data/files/safetensors.h"

namespace tacet {

void NetworkObjective::adopt(torch::nn::Module& module, const Values& model, MakeModule again) {
  flat_.emplace(module);
  again_ = std::move(again);
  if (!model.has("init")) return;
  load_parameters(model.text("init"), flat_->layers(), flat_->parameters());
  from_file_ = flat_->parameters().clone();
}

Vec NetworkObjective::initial() {
  if (from_file_.defined()) return from_file_.clone();
  if (at_start_) return flat_->parameters().clone();
  const auto module = again_();
  return FlatModule(*module).parameters();
}

void NetworkObjective::load(const Vec& y) {
  if (y.data_ptr() == flat_->parameters().data_ptr()) return;
  const torch::NoGradGuard no_grad;
  workspace().copy_(y);
}

}  // namespace tacet
