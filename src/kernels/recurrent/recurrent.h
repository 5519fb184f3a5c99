// One recurrent layer (vanilla, GRU or LSTM) as a differentiable function of its weights: over texts of different lengths at
// once, in one or both directions, and the GRU of a language model with carried state. The language models' LSTM layer is in
// lstm.h.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "tacet/precision.h"

namespace tacet {

enum class Cell { rnn, gru, lstm };  // rnn: h ← tanh(W_ih x + b_ih + W_hh h + b_hh)

// "rnn", "gru" or "lstm"; anything else is a defect of the caller (std::logic_error).
Cell cell_named(const std::string& name);
int64_t gates(Cell cell);  // G: 1, 3 (reset, update, new) or 4 (input, forget, cell, output)

struct RecurrentWeights {
  at::Tensor w_ih, w_hh, b_ih, b_hh;  // [G·H, in], [G·H, H], [G·H], [G·H]
};

// Sequences of different lengths without padding: time step t of the batch_sizes[t] sequences that are longer than t,
// longest sequence first. The layout of torch's PackedSequence.
struct Packed {
  at::Tensor data;         // [Σ lengths, in], or [Σ lengths] int64 when it holds word indices
  at::Tensor batch_sizes;  // [longest] int64, not increasing
};

// Starts every sequence from zero, at its end in the backward direction. `backward`: null for one direction. data: [Σ
// lengths, D·H], forward half first; last: [B, D·H], each direction's state after its last step, in packed order.
struct RecurrentOutput {
  at::Tensor data, last;
};
RecurrentOutput recurrent_layer(Cell cell, const Packed& x, const RecurrentWeights& forward,
                                const RecurrentWeights* backward, Precision precision = Precision::f32);
RecurrentOutput recurrent_layer_libtorch(Cell cell, const Packed& x, const RecurrentWeights& forward,
                                         const RecurrentWeights* backward);

// x [T, B, in], h [B, H]. output [T, B, H], h [B, H] after the last step.
struct GruOutput {
  at::Tensor output, h;
};
GruOutput gru_layer(const at::Tensor& x, const at::Tensor& h, const RecurrentWeights& weights,
                    Precision precision = Precision::f32);
GruOutput gru_layer_libtorch(const at::Tensor& x, const at::Tensor& h, const RecurrentWeights& weights);

// Returns true if a layer with this input uses tacet's kernels (recurrent_layer.h), which are for f32 on the CPU in a build
// with oneDNN. Any other layer uses libtorch's, by the functions named so, which are also the naive twins that tests compare
// with.
bool uses_native_kernels(const at::Tensor& x);

// The path that f32 layers on the CPU take, for summary.json: "onednn" or "libtorch".
std::string recurrent_path();

// [longest, B, F], `padding` beyond a sequence's end; columns in packed order.
at::Tensor padded(const at::Tensor& data, const at::Tensor& batch_sizes, double padding);

}  // namespace tacet
