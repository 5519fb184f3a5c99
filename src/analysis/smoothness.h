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
  std::vector<double> layer_steps;                        // lengths of those parts
  // |∂_j f(x_t)| of the sampled coordinates, and max_a |∂_j f(z_a) − ∂_j f(x_t)| over the length of the whole step, as in
  // coordinate-wise relaxed smoothness (Crawshaw et al., NeurIPS 2022)
  std::vector<double> coordinate_gradients, coordinate_smoothness;
  // Returns true if L̂ is well above what rounding makes.
  bool counts() const { return smoothness > 10 * rounding && step > 0; }
};

// Measures pairs as a run goes by. Holds three vectors of the model's size while it measures, and one between.
class SmoothnessProbe {
 public:
  // Measures every `every`-th round's pair on these units of the training set, and its sampled coordinates. Borrows the
  // objective.
  SmoothnessProbe(Objective& objective, std::vector<int> units, int64_t every, std::vector<int64_t> coordinates = {});

  // Takes the common model at a round's start, which may be the objective's workspace: that is put back afterwards.
  void visit(int64_t round, const Vec& x);

  const std::vector<SmoothnessPoint>& points() const { return points_; }
  double seconds() const { return seconds_; }  // that the measuring took
  Vec last() const { return before_; }         // the latest model that was taken; undefined before the first
  // Keeps x, with which a pair begins where one is due in this round.
  void begin(int64_t round, const Vec& x);
  // Gives up the pair that has begun, if any, and the latest model.
  void release();
  // Measures the pair that began in the round before, with x as its other end. Returns it, and adds it to no list.
  SmoothnessPoint close(int64_t round, const Vec& x);

 private:
  SmoothnessPoint measure(const Vec& x);
  // Adds `factor` times the units' gradients at before + part·(here − before) to the sum. Returns loss and count.
  Score add_gradients(double part, double factor);
  Score add_unit(int unit, double part, double factor);
  void add_change(double part, double share, SmoothnessPoint& p) const;

  Objective& objective_;
  std::vector<int> units_;
  std::vector<int64_t> coordinates_;
  int64_t every_, before_round_ = -2;
  Vec before_, here_, sum_;  // `before_` has the latest model, whether it began a pair or not
  std::vector<SmoothnessPoint> points_;
  double seconds_ = 0;
};

// The points (‖∇f‖, L̂) that count.
struct SmoothnessCloud {
  std::vector<double> gradients, smoothness;
  int64_t left_out = 0;  // points that rounding may have made

  void add(double gradient, double smoothed, bool counts);
};

// Returns the points of whole models, or of layer ℓ.
SmoothnessCloud smoothness_cloud(const std::vector<SmoothnessPoint>& points, std::optional<size_t> layer = {});
// Returns the points (|∂_j f|, L̂_j) of all sampled coordinates together.
SmoothnessCloud coordinate_cloud(const std::vector<SmoothnessPoint>& points);

// Returns the values in the k-th random order of the control.
std::vector<double> dealt_at_random(const std::vector<double>& values, uint64_t seed, int64_t k);

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

// Fits a cloud. Throws UserError where fewer than 8 points count.
SmoothnessFit fit_cloud(const SmoothnessCloud& cloud, uint64_t seed);
// Fits the points, or layer ℓ of them.
SmoothnessFit fit_smoothness(const std::vector<SmoothnessPoint>& points, uint64_t seed, std::optional<size_t> layer = {});

}  // namespace tacet
