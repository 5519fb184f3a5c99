// Image classifiers: what they have in common, how a recipe's [model] makes one, and their rows in the table of models. Each
// network is in a file of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <optional>

#include <torch/nn/module.h>

#include "models/images/image_layers.h"
#include "tacet/options.h"
#include "tacet/random.h"
#include "tacet/registry.h"

namespace tacet {

struct ImageSizes {
  int64_t channels = 1, height = 0, width = 0;  // of the input
  int64_t classes = 0;                          // of the output
};

class ImageModel : public torch::nn::Module {
 public:
  // x [B, C, H, W] → logits [B, classes]. `masks`: the stream that dropout draws from; null means no dropout. Whether batch
  // normalisation uses the batch's statistics is what train() said.
  virtual torch::Tensor forward(const torch::Tensor& x, const Stream* masks) = 0;

  // Where a network is so simple that autograd would be most of a step: writes the gradient of the mean cross-entropy at x
  // [B, C, H, W] and labels [B] into the gradients of its parameters, which exist, and returns the loss. Else nothing, and
  // forward() is differentiated.
  virtual std::optional<double> direct_gradient(const torch::Tensor& /*x*/, const torch::Tensor& /*labels*/) { return {}; }
};

// The network that `model` (the checked keys of [model]) names, with convolutions and affine maps in `precision`. Initial
// weights are drawn from `weights` alone. Throws UserError when the images are too small for it.
std::shared_ptr<ImageModel> make_image_model(const Values& model, const ImageSizes& sizes, const Stream& weights,
                                             Precision precision = Precision::f32);

// Rows of the table of models (src/models/model_catalog.cc).
std::vector<Entry> image_models();

// The families, each in a file of its own: the network, or null when `name` is none of the family's.
std::shared_ptr<ImageModel> make_small_net(const Values& model, const ImageSizes& sizes, Weights weights);
std::shared_ptr<ImageModel> make_resnet(const Values& model, const ImageSizes& sizes, Weights weights);

}  // namespace tacet
