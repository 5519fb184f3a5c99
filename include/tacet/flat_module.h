// One flat buffer behind the parameters of any torch::nn::Module, one behind their gradients and one behind its buffers.
// After construction the module's tensors are views of them, so a whole-vector step is a step of the module. It is not
// thread-safe.
#pragma once

#include <vector>

#include <torch/nn/module.h>

#include "tacet/objective.h"

namespace tacet {

class FlatModule {
 public:
  // Moves the module's float32 CPU parameters and floating-point buffers into flat storage, in registration order. A tensor
  // that is registered twice (tied weights) counts once, under its first name. The module must outlive this object and must
  // not replace its tensors afterwards. A layer's role goes by its dimensions and by names that are common (embedding, wte,
  // head, …). Throws std::invalid_argument for another type or device.
  explicit FlatModule(torch::nn::Module& module);

  const Vec& parameters() const { return parameters_; }  // [d]
  const Vec& gradients() const { return gradients_; }    // [d]; backward() adds to it, so zero it first
  const Vec& buffers() const { return buffers_; }        // [b], b may be 0
  const std::vector<Layer>& layers() const { return layers_; }
  const std::vector<Layer>& buffer_layers() const { return buffer_layers_; }  // layers of buffers(), in order

 private:
  Vec parameters_, gradients_, buffers_;
  std::vector<Layer> layers_, buffer_layers_;
};

}  // namespace tacet
