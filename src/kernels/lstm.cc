// See lstm.h.
#include "kernels/lstm.h"

#include <ATen/ops/lstm.h>

namespace tacet {

LstmOutput lstm_layer(const at::Tensor& x, const at::Tensor& h, const at::Tensor& c, const at::Tensor& w_ih,
                      const at::Tensor& w_hh, const at::Tensor& b_ih, const at::Tensor& b_hh) {
  const auto [output, h_last, c_last] =
      at::lstm(x, {h.unsqueeze(0), c.unsqueeze(0)}, {w_ih, w_hh, b_ih, b_hh}, /*has_biases=*/true, /*num_layers=*/1,
               /*dropout=*/0.0, /*train=*/true, /*bidirectional=*/false, /*batch_first=*/false);
  return {output, h_last.squeeze(0), c_last.squeeze(0)};
}

std::string lstm_path() { return "libtorch"; }

}  // namespace tacet
