// The few layers that image classifiers are made of, with weights drawn from a stream instead of torch's global generator.
// Parameters have torch's names (weight, bias), so weights can be exchanged with torch's modules.
#pragma once

#include <string>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "kernels/convolution/conv_bias.h"
#include "kernels/product/linear.h"
#include "tacet/image_shape.h"
#include "tacet/random.h"

namespace tacet {

// Hands every tensor a stream of its own, in the order in which layers are made, and tells what layers multiply in.
class Weights {
 public:
  Weights(const Stream& stream, Precision precision) : stream_(stream), precision_(precision) {}
  Stream next(int64_t words) { return stream_.item(drawn_++, words); }  // words: numbers of 32 bits that are drawn
  Precision precision() const { return precision_; }

 private:
  Stream stream_;
  Precision precision_;
  int64_t drawn_ = 0;
};

// The start of a layer's weights. fan_in: uniform ± 1/√(inputs), bias alike, torch's default; he: normal with variance 2 /
// outputs (He et al. 2015, as published residual networks use it), bias 0; zero.
enum class Init { fan_in, he, zero };

// y = W x + b; weight [out, in], bias [out].
class Linear : public torch::nn::Module {
 public:
  Linear(int64_t in, int64_t out, Weights& weights, Init init = Init::fan_in);
  torch::Tensor forward(const torch::Tensor& x) const { return linear(x, weight_, bias_, precision_); }
  const torch::Tensor& weight() const { return weight_; }
  const torch::Tensor& bias() const { return bias_; }
  Precision precision() const { return precision_; }

 private:
  torch::Tensor weight_, bias_;
  Precision precision_;
};

// Cross-correlation; weight [out, in, kernel, kernel], bias [out] when asked for.
class Conv : public torch::nn::Module {
 public:
  struct Shape {
    int64_t in, out, kernel;
    int64_t stride = 1, padding = 0;
    bool bias = true;
  };
  Conv(const Shape& shape, Weights& weights, Init init = Init::fan_in);
  // Returns the layer's output. The layer must have a bias.
  torch::Tensor forward(const torch::Tensor& x, bool relu = false) const {
    return conv_bias(x, {shape_, weight_, bias_, relu});
  }
  const torch::Tensor& weight() const { return weight_; }
  const Convolution& shape() const { return shape_; }

 private:
  torch::Tensor weight_, bias_;
  Convolution shape_;
};

// Throws UserError unless both sides of the images have at least `least` pixels.
void need_side(const std::string& model, const ImageShape& shape, int64_t least);

// Returns x in the layout that the fused layers take: the one copy of a step, of its input.
torch::Tensor channels_last(const torch::Tensor& x);

// Returns x with each element zeroed with probability p and the others scaled by 1/(1−p); a null `masks` means x itself.
torch::Tensor dropout(const torch::Tensor& x, double p, const Stream* masks, int part);
// Zeroes whole feature maps of x [B, C, H, W] in the same way.
torch::Tensor dropout_maps(const torch::Tensor& x, double p, const Stream* masks, int part);

}  // namespace tacet
