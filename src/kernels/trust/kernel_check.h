// Trust in kernels. Before the first step, the products and convolutions that a process is about to use are compared with
// naive twins, plain loops in double precision. A kernel that is wrong is refused (kernel_paths.h), and a slower right one
// takes its place. Libraries have been wrong without a word: oneDNN 3.7 left the last scores of a vocabulary garbage.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "kernels/convolution/convolution.h"
#include "tacet/precision.h"

namespace tacet {

// A kind of kernel, and the path that it takes in this process.
struct KernelPath {
  std::string kernel;   // "products", "products in bf16", "convolutions", "convolutions in bf16", "libtorch's layers"
  std::string path;     // "onednn", "libtorch", "f32" (in the place of bf16), "without onednn" (libtorch's layers)
  int64_t checks = 0;   // comparisons with the naive twin
  std::string refused;  // the finding against the faster path; empty where that is taken
};

struct KernelReport {
  std::vector<KernelPath> paths;
  double milliseconds = 0;  // time of the checks

  // Returns a sentence for each refused kernel: what is wrong, and what is used instead.
  std::vector<std::string> refusals() const;
};

// The functions under test. A test puts a broken one in a place.
struct CheckedKernels {
  using Product = std::function<void(const at::Tensor& a, const at::Tensor& b, const at::Tensor& y, bool add, Precision)>;
  using Convolve = std::function<void(const Convolution&, const at::Tensor&, const at::Tensor&, const at::Tensor&)>;
  Product product, shared_factor;                      // of product.h
  Convolve forward, backward_input, backward_weights;  // of convolution.h, with its arguments
  // A convolution with stride 1 and padding 1, and an LSTM's output from zero states, without gradients.
  std::function<at::Tensor(const at::Tensor& x, const at::Tensor& w)> libtorch_convolution;
  std::function<at::Tensor(const at::Tensor& x, const std::vector<at::Tensor>& weights)> libtorch_lstm;
};
// Returns the functions that runs use.
CheckedKernels kernels_in_use();

// Checks the kernels of a network with parameters of these shapes, at these shapes cut down to a few blocks and at shapes
// that are known to break. Refuses what is wrong, trusts what is right, and returns both. Parameters of one dimension
// multiply nothing, so there is nothing to check. Takes milliseconds, and draws no random numbers of a run. Throws
// std::runtime_error where no right path is left. REQUIRES: no other thread computes.
KernelReport check_kernels(const std::vector<std::vector<int64_t>>& parameters, Precision precision,
                           const CheckedKernels& kernels = kernels_in_use());

// Checks every kernel of this build and processor, for `tacet doctor`.
KernelReport check_all_kernels();

}  // namespace tacet
