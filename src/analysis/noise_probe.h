// Noise of gradients at one point: many mini-batch gradients of one client, as training draws them, set against an
// independent mean.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "analysis/statistics.h"
#include "tacet/objective.h"

namespace tacet {

struct NoiseOptions {
  int64_t samples = 100;    // mini-batch gradients whose noise is looked at
  int64_t reference = 100;  // others, whose mean stands for the true gradient
  int64_t principal = 100;  // further ones, in whose noise the principal direction is found; 0: none
  int directions = 8;       // random unit vectors to project on
  int group = 8;            // mini-batches of the large batch of the noise scale
  int client = 0;
  // Round whose steps all draws are, for data that are dealt anew in every round; none: each draw has a round of its own.
  std::optional<int64_t> round = {};
  uint64_t seed = 0;
  // Returns true while less than this share of the time is over. False ends a part with what there is.
  std::function<bool(double share)> time_left = [](double) { return true; };
};

struct NoiseFigures {
  int64_t samples = 0, reference = 0, principal = 0;  // that were drawn
  double batch = 0;                                   // samples of a mini-batch, the mean of the reference's
  int64_t group = 0;                                  // mini-batches in each of big_squares
  double gradient = 0;                                // ‖ḡ‖ of the reference, which holds its own noise
  double step_seconds = 0;                            // median time of a gradient
  std::vector<double> norms;                          // ‖g_k − ḡ‖, less the reference's share
  std::vector<double> gradient_norms;                 // ‖g_k‖
  std::vector<double> along;                          // ⟨g_k, ḡ⟩/‖ḡ‖
  std::vector<std::vector<double>> projections;       // ⟨g_k − ḡ, u⟩, for each direction u
  // ⟨g_k − ḡ, v⟩ for the direction v in which the noise of other gradients was largest; empty where none was looked for
  std::vector<double> along_principal;
  std::vector<double> small_squares, big_squares;  // ‖g‖² of mini-batches and of means of `group` of them
};

// Draws the client's gradients at x. Holds three vectors of the model's size. Moves the objective's mini-batches on. Throws
// UserError where the time is over before two samples.
NoiseFigures measure_noise(Objective& objective, const Vec& x, const NoiseOptions& options);

}  // namespace tacet
