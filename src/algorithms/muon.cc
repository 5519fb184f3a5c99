// Implements muon.h.
#include "algorithms/muon.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/ops/addmm.h>
#include <ATen/ops/matmul.h>

namespace tacet {
namespace {

struct Coefficients {
  double a, b, c;
};

constexpr Coefficients jordan = {3.4445, -4.7750, 2.0315};

// Each step's: X ← aX + (bS + cS²)X with S = XXᵀ.
std::array<Coefficients, 5> coefficients(const std::string& iteration) {
  if (iteration == "jordan") return {jordan, jordan, jordan, jordan, jordan};
  return {{{4.0848, -6.8946, 2.9270},
           {3.9505, -6.3029, 2.6377},
           {3.7418, -5.5913, 2.3037},
           {2.8769, -3.1427, 1.2046},
           {2.8366, -3.0525, 1.2012}}};
}

double scale_of(const std::string& kind, double rows, double cols) {
  if (kind == "moonlight") return 0.2 * std::sqrt(std::max(rows, cols));
  return std::sqrt(kind == "jordan" ? std::max(1.0, rows / cols) : rows / cols);
}

}  // namespace

at::Tensor orthogonalised(const at::Tensor& matrix, const std::string& iteration) {
  const bool tall = matrix.size(0) > matrix.size(1);
  at::Tensor X = matrix / (l2_norm(matrix) + 1e-7);
  if (tall) X = X.t();
  for (const auto& [a, b, c] : coefficients(iteration)) {
    const at::Tensor S = at::matmul(X, X.t());
    const at::Tensor B = at::addmm(S, S, S, b, c);  // bS + cS²
    X = at::addmm(X, B, X, a, 1);
  }
  return tall ? X.t() : X;
}

void Muon::step(Vec& y, const Vec& g, Vec& m, const std::vector<int64_t>& shape, double eta) const {
  const int64_t rows = shape.front(), cols = y.numel() / rows;
  Vec towards = m;
  if (iteration == "jordan") {
    average_in(m, g, momentum);  // m ← μ m + (1 − μ) g, and with it (1 − μ) g + μ m
    towards = g * (1 - momentum) + m * momentum;
  } else {
    m.mul_(momentum).add_(g);
  }
  const at::Tensor O = orthogonalised(towards.view({rows, cols}), iteration);
  y.view({rows, cols}).sub_(O, eta * scale_of(scale, static_cast<double>(rows), static_cast<double>(cols)));
}

}  // namespace tacet
