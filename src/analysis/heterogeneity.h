// Heterogeneity of clients at one point: how far each client's gradient is from that of all, without the noise of
// mini-batches, and how near the corrections of a method come to that difference.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tacet/algorithm.h"
#include "tacet/objective.h"

namespace tacet {

// A method's corrections: a client steps along g − Gⁱ + G.
struct MethodCorrections {
  Vec mean;                      // G (c of SCAFFOLD); undefined: the mean of the clients'
  PerClient* clients = nullptr;  // Gⁱ (cⁱ); clients without one are left out
};

// Quality of corrections against the true gradients. NaN where the truth is lost in the noise.
struct CorrectionQuality {
  double mean_cosine = 0, mean_ratio = 0;  // of G and ∇f: the cosine, and ‖G‖/‖∇f‖
  // of G − Gⁱ and ∇f − ∇f_i, over all clients with a correction: Σ⟨ , ⟩/√(Σ‖ ‖² Σ‖ ‖²), and the root of the ratio of sums
  double cosine = 0, ratio = 0;
  int64_t clients = 0;
};

struct HeterogeneityOptions {
  int64_t clients = 1;  // N, or the first so many
  int64_t batches = 4;  // mini-batches of each of a client's means: four, and a fifth for corrections
  uint64_t seed = 0;
  int64_t series = 1;  // of the draws' keys
  std::optional<MethodCorrections> corrections = {};
};

struct Heterogeneity {
  std::vector<double> squares;  // ‖∇f_i − ∇f‖² by client, without bias: a product of independent halves, so it may be < 0
  std::vector<double> distances;  // ‖ḡ_i − ḡ‖, with the noise in it
  double kappa = 0;               // √ of the mean square, which is at least the mean distance κ
  double gradient_square = 0;     // ‖∇f‖² without bias, so it may be < 0
  std::optional<CorrectionQuality> corrections;
};

// Takes 4 · batches gradients of each client at x, 5 · batches with corrections. Holds three vectors of the model's size.
// Moves the objective's mini-batches on.
Heterogeneity measure_heterogeneity(Objective& objective, const Vec& x, const HeterogeneityOptions& options);

}  // namespace tacet
