// See flat_module.h.
#include "tacet/flat_module.h"

#include <stdexcept>
#include <unordered_set>

#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "models/layer_roles.h"

namespace tacet {
namespace {

struct Named {
  std::string name;
  torch::Tensor tensor;
};

std::vector<Named> once_each(const torch::OrderedDict<std::string, torch::Tensor>& dict) {
  std::vector<Named> result;
  std::unordered_set<const void*> seen;
  for (const auto& item : dict)
    if (item.value().defined() && seen.insert(item.value().unsafeGetTensorImpl()).second)
      result.push_back({item.key(), item.value()});
  return result;
}

}  // namespace

FlatModule::FlatModule(torch::nn::Module& module) {
  const auto parameters = once_each(module.named_parameters());
  int64_t d = 0, b = 0;
  for (const auto& [name, p] : parameters) {
    if (p.scalar_type() != torch::kFloat || !p.device().is_cpu())
      throw std::invalid_argument("parameter " + name + " must be float32 on the CPU");
    layers_.push_back({name, d, p.numel(), p.sizes().vec()});
    d += p.numel();
  }
  give_roles(layers_);
  const torch::NoGradGuard no_grad;
  parameters_ = torch::empty({d});
  gradients_ = torch::zeros({d});
  for (size_t k = 0; k < parameters.size(); ++k) {
    torch::Tensor p = parameters[k].tensor;
    const Layer& layer = layers_[k];
    auto view = parameters_.narrow(0, layer.offset, layer.size).view(layer.shape);
    view.copy_(p);
    p.set_data(view);
    p.mutable_grad() = gradients_.narrow(0, layer.offset, layer.size).view(layer.shape);
  }
  std::vector<Named> floating;
  for (auto& named : once_each(module.named_buffers()))
    if (named.tensor.is_floating_point()) {
      b += named.tensor.numel();
      floating.push_back(named);
    }
  buffers_ = torch::empty({b});
  int64_t at = 0;
  for (auto& [name, tensor] : floating) {
    auto view = buffers_.narrow(0, at, tensor.numel()).view(tensor.sizes());
    view.copy_(tensor);
    tensor.set_data(view);
    buffer_layers_.push_back({name, at, tensor.numel(), tensor.sizes().vec()});
    at += tensor.numel();
  }
}

}  // namespace tacet
