// One LSTM layer over a whole sequence, as a differentiable function of its weights, so that a model may hand in weights it
// has just dropped out.
#pragma once

#include <ATen/core/Tensor.h>

#include "tacet/precision.h"

namespace tacet {

struct LstmOutput {
  at::Tensor output;  // [T, B, H]
  at::Tensor h, c;    // [B, H], after the last step
};

// x [T, B, in]; h, c [B, H]; w_ih [4H, in], w_hh [4H, H], b_ih, b_hh [4H]; gates in the order input, forget, cell, output.
LstmOutput lstm_layer(const at::Tensor& x, const at::Tensor& h, const at::Tensor& c, const at::Tensor& w_ih,
                      const at::Tensor& w_hh, const at::Tensor& b_ih, const at::Tensor& b_hh,
                      Precision precision = Precision::f32);

// Its naive twin, libtorch's layer; any device and floating-point type.
LstmOutput lstm_layer_libtorch(const at::Tensor& x, const at::Tensor& h, const at::Tensor& c, const at::Tensor& w_ih,
                               const at::Tensor& w_hh, const at::Tensor& b_ih, const at::Tensor& b_hh);

}  // namespace tacet
