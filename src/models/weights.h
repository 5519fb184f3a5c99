// The parts that the networks of this folder share: parameters with dotted names, initial weights and dropout masks from
// counter-based streams. No network is here.
#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include "kernels/product/linear.h"
#include "tacet/objective.h"

namespace tacet {

// Uniform on ± range.
at::Tensor uniform(const std::vector<int64_t>& shape, double range, Stream stream);
// Ones kept with probability 1−p, scaled by 1/(1−p).
at::Tensor mask(const std::vector<int64_t>& shape, double p, Stream stream);
// Registers `value` under a child that is a plain module and only gives it a dotted name, "child.name".
at::Tensor named(torch::nn::Module& parent, const std::string& child, const std::string& name, at::Tensor value);

// Initial weights: one independent stream for each tensor drawn, numbered in the order of the calls.
class InitialWeights {
 public:
  explicit InitialWeights(uint64_t seed) : seed_(seed) {}
  at::Tensor uniform(const std::vector<int64_t>& shape, double range);     // ± range
  at::Tensor normal(const std::vector<int64_t>& shape, double deviation);  // mean 0

 private:
  Stream next() { return {seed_, Stream::everyone, Purpose::initial_weights, 0, ++drawn_}; }
  uint64_t seed_;
  int64_t drawn_ = 0;  // step 0 is left to models that split one stream
};

// A weight [out, in] and a bias [out], as torch's Linear starts them: uniform on ± 1/√in.
struct Affine {
  at::Tensor weight, bias;
};
Affine affine(torch::nn::Module& parent, const std::string& child, int64_t in, int64_t out, InitialWeights& draw);
// Returns x · weightᵀ + bias.
inline at::Tensor linear(const at::Tensor& x, const Affine& map, Precision precision) {
  return linear(x, map.weight, map.bias, precision);
}

// A weight of ones and a bias of zeros.
Affine layer_norm(torch::nn::Module& parent, const std::string& child, int64_t width);

// Dropout of one forward pass. Masks differ from call to call and are a function of the draw and the call's number. Without
// a draw (evaluation) nothing is dropped.
class Dropout {
 public:
  explicit Dropout(const BatchKey* draw) : draw_(draw) {}
  at::Tensor operator()(const at::Tensor& x, double p);

 private:
  const BatchKey* draw_;
  int part_ = 0;
};

}  // namespace tacet
