// Image classifiers: the interface that the task "classification" trains. A network of one's own derives from ImageModel and
// is registered with add_model (registry.h). tacet's networks are in src/models/images.
#pragma once

#include <memory>
#include <optional>

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include "tacet/image_shape.h"
#include "tacet/options.h"
#include "tacet/precision.h"
#include "tacet/random.h"

namespace tacet {

class ImageModel : public torch::nn::Module {
 public:
  // Returns the logits [B, classes] of x [B, C, H, W]. `masks` is the stream that dropout draws from; null means no dropout.
  // A call of train() before it decides if batch normalisation uses the batch's statistics.
  virtual at::Tensor forward(const at::Tensor& x, const Stream* masks) = 0;

  // Returns the mean loss of the scores [B, classes] that forward() returned, at labels [B] int64: their cross-entropy,
  // unless a network has another one.
  virtual at::Tensor loss(const at::Tensor& scores, const at::Tensor& labels) const;

  // Writes the gradient of the mean cross-entropy at x [B, C, H, W] and labels [B] int64 into the gradients of the
  // parameters, which exist, and returns the loss. Returns nothing where forward() is to be differentiated, as by default.
  // It is for networks so simple that autograd would be most of a step.
  virtual std::optional<double> direct_gradient(const at::Tensor& /*x*/, const at::Tensor& /*labels*/) { return {}; }
  // Returns the images that the last direct_gradient() classified right; nothing where it does not count them.
  virtual std::optional<int64_t> direct_correct() const { return {}; }
};

// Makes the network that model.name names from the checked keys of [model], with matrix products and convolutions in
// `precision`. Initial weights are drawn from `weights` alone. Throws UserError when the images are too small for it.
std::shared_ptr<ImageModel> make_image_model(const Values& model, const ImageShape& shape, const Stream& weights,
                                             Precision precision = Precision::f32);

}  // namespace tacet
