// See lstm.h.
#include "kernels/recurrent/lstm.h"

#include <ATen/ops/lstm.h>

#include "kernels/recurrent/recurrent_layer.h"

namespace tacet {

LstmOutput lstm_layer(const at::Tensor& x, const at::Tensor& h, const at::Tensor& c, const at::Tensor& w_ih,
                      const at::Tensor& w_hh, const at::Tensor& b_ih, const at::Tensor& b_hh, Precision precision) {
  if (!uses_native_kernels(x)) return lstm_layer_libtorch(x, h, c, w_ih, w_hh, b_ih, b_hh);
  const std::vector<int64_t> sizes(static_cast<size_t>(x.size(0)), x.size(1));
  const DirectionOutput out = run_direction(Cell::lstm, x.reshape({-1, x.size(2)}), sizes, /*backward=*/false, h, c,
                                            {w_ih, w_hh, b_ih, b_hh}, precision);
  return {out.output.view({x.size(0), x.size(1), -1}), out.h, out.c};
}

LstmOutput lstm_layer_libtorch(const at::Tensor& x, const at::Tensor& h, const at::Tensor& c, const at::Tensor& w_ih,
                               const at::Tensor& w_hh, const at::Tensor& b_ih, const at::Tensor& b_hh) {
  const auto [output, h_last, c_last] =
      at::lstm(x, {h.unsqueeze(0), c.unsqueeze(0)}, {w_ih, w_hh, b_ih, b_hh}, /*has_biases=*/true, /*num_layers=*/1,
               /*dropout=*/0.0, /*train=*/true, /*bidirectional=*/false, /*batch_first=*/false);
  return {output, h_last.squeeze(0), c_last.squeeze(0)};
}

}  // namespace tacet
