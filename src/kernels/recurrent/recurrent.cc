// See recurrent.h.
#include "kernels/recurrent/recurrent.h"

#include <stdexcept>
#include <vector>

#include <ATen/ops/_pad_packed_sequence.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gru.h>
#include <ATen/ops/lstm.h>
#include <ATen/ops/rnn_tanh.h>
#include <ATen/ops/zeros.h>

#include "kernels/product/product.h"
#include "kernels/recurrent/recurrent_layer.h"

namespace tacet {

Cell cell_named(const std::string& name) {
  if (name == "rnn") return Cell::rnn;
  if (name == "gru") return Cell::gru;
  if (name == "lstm") return Cell::lstm;
  throw std::logic_error("no recurrent cell " + name);
}

int64_t gates(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }

bool uses_native_kernels(const at::Tensor& x) {
  return fast_products() && x.device().is_cpu() && x.scalar_type() == at::kFloat;
}

std::string recurrent_path() { return fast_products() ? "onednn" : "libtorch"; }

RecurrentOutput recurrent_layer(Cell cell, const Packed& x, const RecurrentWeights& forward,
                                const RecurrentWeights* backward, Precision precision) {
  if (!uses_native_kernels(x.data)) return recurrent_layer_libtorch(cell, x, forward, backward);
  const int64_t* const first = x.batch_sizes.data_ptr<int64_t>();
  const std::vector<int64_t> sizes(first, first + x.batch_sizes.numel());
  const at::Tensor zero = at::zeros({sizes.front(), forward.w_hh.size(1)}), c = cell == Cell::lstm ? zero : at::Tensor();
  const DirectionOutput ahead = run_direction(cell, x.data, sizes, /*backward=*/false, zero, c, forward, precision);
  if (!backward) return {ahead.output, ahead.h};
  const DirectionOutput back = run_direction(cell, x.data, sizes, /*backward=*/true, zero, c, *backward, precision);
  return {at::cat({ahead.output, back.output}, 1), at::cat({ahead.h, back.h}, 1)};
}

RecurrentOutput recurrent_layer_libtorch(Cell cell, const Packed& x, const RecurrentWeights& forward,
                                         const RecurrentWeights* backward) {
  const int64_t batch = x.batch_sizes.data_ptr<int64_t>()[0], hidden = forward.w_hh.size(1);
  const at::Tensor zero = at::zeros({backward ? 2 : 1, batch, hidden}, x.data.options());
  std::vector<at::Tensor> weights = {forward.w_ih, forward.w_hh, forward.b_ih, forward.b_hh};
  if (backward) weights.insert(weights.end(), {backward->w_ih, backward->w_hh, backward->b_ih, backward->b_hh});
  const bool both = backward != nullptr;
  at::Tensor output, last;
  switch (cell) {
    case Cell::lstm:
      std::tie(output, last, std::ignore) = at::lstm(x.data, x.batch_sizes, {zero, zero}, weights, /*has_biases=*/true,
                                                     /*num_layers=*/1, /*dropout=*/0.0, /*train=*/true, both);
      break;
    case Cell::gru:
      std::tie(output, last) = at::gru(x.data, x.batch_sizes, zero, weights, true, 1, 0.0, true, both);
      break;
    case Cell::rnn:
      std::tie(output, last) = at::rnn_tanh(x.data, x.batch_sizes, zero, weights, true, 1, 0.0, true, both);
      break;
  }
  return {output, last.transpose(0, 1).reshape({batch, -1})};
}

GruOutput gru_layer(const at::Tensor& x, const at::Tensor& h, const RecurrentWeights& w, Precision precision) {
  if (!uses_native_kernels(x)) return gru_layer_libtorch(x, h, w);
  const std::vector<int64_t> sizes(static_cast<size_t>(x.size(0)), x.size(1));
  const DirectionOutput out =
      run_direction(Cell::gru, x.reshape({-1, x.size(2)}), sizes, /*backward=*/false, h, {}, w, precision);
  return {out.output.view({x.size(0), x.size(1), -1}), out.h};
}

GruOutput gru_layer_libtorch(const at::Tensor& x, const at::Tensor& h, const RecurrentWeights& w) {
  const auto [output, last] = at::gru(x, h.unsqueeze(0), {w.w_ih, w.w_hh, w.b_ih, w.b_hh}, /*has_biases=*/true,
                                      /*num_layers=*/1, /*dropout=*/0.0, /*train=*/true, /*bidirectional=*/false,
                                      /*batch_first=*/false);
  return {output, last.squeeze(0)};
}

at::Tensor padded(const at::Tensor& data, const at::Tensor& batch_sizes, double padding) {
  return std::get<0>(at::_pad_packed_sequence(data, batch_sizes, /*batch_first=*/false, padding, batch_sizes.numel()));
}

}  // namespace tacet
