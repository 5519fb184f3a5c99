// A recurrent layer in one direction over packed sequences, differentiable in everything it is given, with tacet's time loop
// on product.h and cells.h. Its naive twin is libtorch's layer, which recurrent.cc takes where this one is not for.
#pragma once

#include <vector>

#include "kernels/recurrent/recurrent.h"
#include "tacet/precision.h"

namespace tacet {

struct DirectionOutput {
  at::Tensor output;  // [Σ lengths, H]
  at::Tensor h, c;    // [B, H] each sequence's state after its last step; c of an LSTM only
};

// x [Σ lengths, in]; sizes: Packed's batch_sizes; h, c [B, H], c of an LSTM only. backward: each sequence from its end to
// its start. f32 on the CPU. Only the products of the state with w_hh are made step by step; all others are one product over
// all steps. Not differentiable twice.
DirectionOutput run_direction(Cell cell, const at::Tensor& x, const std::vector<int64_t>& sizes, bool backward,
                              const at::Tensor& h, const at::Tensor& c, const RecurrentWeights& weights,
                              Precision precision);

}  // namespace tacet
