// Muon's step of a matrix: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; with MuLoCo's
// coefficients (Thérien, Huang, Defazio, Rish, Belilovsky, "MuLoCo: Muon is a practical inner optimizer for DiLoCo", 2025).
// The momentum's singular values are all brought near 1 by five polynomials in the matrix, in float32.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tacet/vector.h"

namespace tacet {

struct Muon {
  double momentum = 0.95;
  std::string iteration = "muloco";  // or "jordan", with Nesterov's momentum
  std::string scale = "muloco";      // √(rows/cols); "jordan": √max(1, rows/cols); "moonlight": 0.2 √max(rows, cols)

  // Steps y ← y − η s O with O the orthogonalised momentum. Each vector is a matrix of this shape, whose first dimension is
  // its rows.
  void step(Vec& y, const Vec& g, Vec& m, const std::vector<int64_t>& shape, double eta) const;
};

// Returns the matrix with its singular values near 1, after the five steps of that iteration.
at::Tensor orthogonalised(const at::Tensor& matrix, const std::string& iteration);

}  // namespace tacet
