// See naive_twins.h.
#include "kernels/trust/naive_twins.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace tacet {
namespace {

// Places in a tensor of four dimensions with contiguous rows.
struct Grid {
  explicit Grid(const at::Tensor& t) : data(t.data_ptr<double>()), b(t.size(1)), c(t.size(2)), d(t.size(3)) {}
  double& operator()(int64_t i, int64_t j, int64_t k, int64_t l) const { return data[((i * b + j) * c + k) * d + l]; }
  double* data;
  int64_t b, c, d;
};

at::Tensor doubles(const at::Tensor& t) { return t.to(at::kDouble).contiguous(); }

}  // namespace

at::Tensor plain_numbers(at::IntArrayRef sizes, uint64_t seed) {
  at::Tensor t = at::empty(sizes, at::kFloat);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  float* const values = t.data_ptr<float>();
  for (int64_t k = 0; k < t.numel(); ++k) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    values[k] = static_cast<float>(static_cast<int64_t>(state >> 40) - (1 << 23)) / (1 << 23);
  }
  return t;
}

at::Tensor naive_product(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = doubles(a), right = doubles(b), y = at::zeros({a.size(0), b.size(1)}, at::kDouble);
  const int64_t depth = a.size(1), width = b.size(1);
  const double *const l = left.data_ptr<double>(), *const r = right.data_ptr<double>();
  double* const out = y.data_ptr<double>();
  for (int64_t row = 0; row < a.size(0); ++row)
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t column = 0; column < width; ++column)
        out[row * width + column] += l[row * depth + k] * r[k * width + column];
  return y;
}

NaiveConvolution naive_convolution(const at::Tensor& given_x, const at::Tensor& given_w, const at::Tensor& given_dy,
                                   int64_t stride, int64_t padding) {
  const at::Tensor x = doubles(given_x), w = doubles(given_w), dy = doubles(given_dy);
  const NaiveConvolution all = {at::zeros(dy.sizes(), at::kDouble), at::zeros(x.sizes(), at::kDouble),
                                at::zeros(w.sizes(), at::kDouble)};
  const Grid from(x), kernel(w), slope(dy), y(all.y), dx(all.dx), dw(all.dw);
  const auto at_position = [&](int64_t n, int64_t o, int64_t row, int64_t column) {
    for (int64_t c = 0; c < x.size(1); ++c)
      for (int64_t i = 0; i < w.size(2); ++i)
        for (int64_t j = 0; j < w.size(3); ++j) {
          const int64_t r = row * stride + i - padding, s = column * stride + j - padding;
          if (r < 0 || r >= x.size(2) || s < 0 || s >= x.size(3)) continue;
          y(n, o, row, column) += from(n, c, r, s) * kernel(o, c, i, j);
          dx(n, c, r, s) += slope(n, o, row, column) * kernel(o, c, i, j);
          dw(o, c, i, j) += slope(n, o, row, column) * from(n, c, r, s);
        }
  };
  for (int64_t n = 0; n < dy.size(0); ++n)
    for (int64_t o = 0; o < dy.size(1); ++o)
      for (int64_t row = 0; row < dy.size(2); ++row)
        for (int64_t column = 0; column < dy.size(3); ++column) at_position(n, o, row, column);
  return all;
}

}  // namespace tacet
