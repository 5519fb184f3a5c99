// Relaxed smoothness along a run: how far the gradient moves between two models that follow each other, against its length.
// Both points see the same samples, as in an evaluation: nothing dropped or augmented, batch normalisation with its running
// statistics. Other samples at the second point would add noise over the step's length, which falls on a line of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/line_fit.h"
#include "tacet/objective.h"

namespace tacet {

// The pair x_t, x_{t+1}: L̂ = max_a ‖∇f(z_a) − ∇f(x_t)‖ / ‖z_a − x_t‖, z_a = a x_t + (1 − a) x_{t+1}, a ∈ {0, 1/2}.
struct SmoothnessPoint {
  int64_t round = 0;                                      // t
  double loss = 0;                                        // f(x_t), over the samples that are measured
  double gradient = 0;                                    // ‖∇f(x_t)‖
  double step = 0;                                        // ‖x_{t+1} − x_t‖
  double smoothness = 0;                                  // L̂
  double rounding = 0;                                    // the part of L̂ that float32 alone may make
  std::vector<double> layer_gradients, layer_smoothness;  // of each layer, over its own part of the step
  // Returns true if L̂ is well above what rounding makes.
  bool counts() const { return smoothness > 10 * rounding && step > 0; }
};

// Measures pairs as a run goes by. Holds three vectors of the model's size.
class SmoothnessProbe {
 public:
  // Measures every `every`-th round's pair on these units of the training set. Borrows the objective.
  SmoothnessProbe(Objective& objective, std::vector<int> units, int64_t every);

  // Takes the common model at a round's start, which may be the objective's workspace: that is put back afterwards.
  void visit(int64_t round, const Vec& x);

  const std::vector<SmoothnessPoint>& points() const { return points_; }
  double seconds() const { return seconds_; }  // that the measuring took
  Vec last() const { return before_; }         // the latest model that began a pair; undefined before the first

 private:
  void measure(const Vec& x);
  // Adds `factor` times the units' gradients at before + part·(here − before) to the sum. Returns loss and count.
  Score add_gradients(double part, double factor);
  Score add_unit(int unit, double part, double factor);

  Objective& objective_;
  std::vector<int> units_;
  int64_t every_, before_round_ = -2;
  Vec before_, here_, sum_;
  std::vector<SmoothnessPoint> points_;
  double seconds_ = 0;
};

// The line L̂ = L₀ + L₁‖∇f‖ through the points that count, beside its control.
struct SmoothnessFit {
  LineFit line;
  LineFit logarithms;  // of log L̂ against log ‖∇f‖: its slope is 1 for e^{ax}, 2/3 for x⁴, 0 for a quadratic
  double bounding_slope = 0;  // the line's slope, or 0 where it falls: an L₁
  double covering = 0;        // the least L₀ with which every point is below the line of that slope
  double shuffled_slope = 0;  // mean of |slope| with the L̂ dealt to the points at random
  double shuffled_p = 1;      // share of such lines that are at least as steep: small where L̂ follows ‖∇f‖
  int64_t left_out = 0;       // points that rounding may have made
};

// Fits the points, or layer ℓ of them. Throws UserError where fewer than 8 count.
SmoothnessFit fit_smoothness(const std::vector<SmoothnessPoint>& points, uint64_t seed, std::optional<size_t> layer = {});

}  // namespace tacet
