// See noise_probe.h. Rounds of the keys begin far beyond those of runs, so that no mini-batch is one that a run has seen by
// the same key.
#include "analysis/noise_probe.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>

#include "base/clock.h"
#include "tacet/error.h"
#include "tacet/random.h"

namespace tacet {
namespace {

constexpr int64_t far_round = int64_t{1} << 30;

double product(const Vec& a, const Vec& b) {
  const float *p = a.data_ptr<float>(), *q = b.data_ptr<float>();
  double sum = 0;
  for (int64_t k = 0; k < a.numel(); ++k) sum += static_cast<double>(p[k]) * q[k];
  return sum;
}

// Returns ⟨g, u⟩ for the j-th random direction, whose coordinates are ±1/√d.
double along_direction(const Vec& g, int j, uint64_t seed) {
  Stream stream(seed, Stream::everyone, Purpose::shuffle, 3, j);
  const float* p = g.data_ptr<float>();
  double sum = 0;
  for (int64_t k = 0; k < g.numel();) {
    uint32_t bits = stream.bits();
    for (int64_t end = std::min(k + 32, g.numel()); k < end; ++k, bits >>= 1) sum += bits & 1 ? p[k] : -p[k];
  }
  return sum / std::sqrt(static_cast<double>(g.numel()));
}

// Draws one mini-batch gradient after another.
class Gradients {
 public:
  Gradients(Objective& objective, const Vec& x, uint64_t seed) : objective_(objective), seed_(seed) {
    y_ = objective.workspace();
    if (y_.data_ptr() != x.data_ptr()) y_.copy_(x);
  }
  Vec next(int client) {
    const auto start = Clock::now();
    last_ = objective_.gradient({seed_, client, far_round + drawn_++, 0, 0}, y_);
    seconds_.push_back(since(start));
    Vec g = objective_.gradient_buffer();
    if (!std::isfinite(l2_norm(g))) throw UserError("the probe met a gradient that is not finite: nothing can be said here");
    return g;
  }
  const BatchLoss& last() const { return last_; }
  double median_seconds() const { return quantile(seconds_, 0.5); }

 private:
  Objective& objective_;
  uint64_t seed_;
  Vec y_;
  BatchLoss last_;
  int64_t drawn_ = 0;
  std::vector<double> seconds_;
};

// Collects the squares from which the noise scale is made.
class SquareCollector {
 public:
  SquareCollector(const Vec& like, int group, NoiseFigures& figures)
      : sum_(at::zeros_like(like)), group_(group), figures_(figures) {}
  void add(const Vec& g, double norm) {
    figures_.small_squares.push_back(norm * norm);
    sum_.add_(g);
    if (++in_sum_ < group_) return;
    figures_.big_squares.push_back(std::pow(l2_norm(sum_) / group_, 2));
    sum_.zero_();
    in_sum_ = 0;
  }

 private:
  Vec sum_;
  int group_, in_sum_ = 0;
  NoiseFigures& figures_;
};

// Adds the mean of so many gradients of a client to the sum.
void add_mean(Gradients& gradients, int client, int64_t batches, double factor, Vec& sum) {
  for (int64_t k = 0; k < batches; ++k) sum.add_(gradients.next(client), factor / static_cast<double>(batches));
}

}  // namespace

NoiseFigures measure_noise(Objective& objective, const Vec& x, const NoiseOptions& o) {
  NoiseFigures f;
  Gradients gradients(objective, x, o.seed);
  Vec reference = at::zeros_like(x);
  SquareCollector squares(x, o.group, f);
  for (; f.reference < o.reference && (f.reference < 2 || o.time_left()); ++f.reference) {
    const Vec g = gradients.next(o.client);
    squares.add(g, l2_norm(g));
    reference.add_(g);
  }
  reference.div_(static_cast<double>(f.reference));
  f.gradient = l2_norm(reference);
  f.batch = static_cast<double>(gradients.last().samples);
  std::vector<double> centres;
  for (int j = 0; j < o.directions; ++j) centres.push_back(along_direction(reference, j, o.seed));
  f.projections.resize(centres.size());
  // ‖g − ḡ‖² has the noise of ḡ in it: a share of 1/(reference + 1).
  const double less = 1 / std::sqrt(1 + 1 / static_cast<double>(f.reference));
  for (; f.samples < o.samples && (f.samples < 2 || o.time_left()); ++f.samples) {
    const Vec g = gradients.next(o.client);
    const double norm = l2_norm(g), inner = product(g, reference);
    squares.add(g, norm);
    f.gradient_norms.push_back(norm);
    f.along.push_back(f.gradient > 0 ? inner / f.gradient : 0);
    f.norms.push_back(less * std::sqrt(std::max(0.0, norm * norm - 2 * inner + f.gradient * f.gradient)));
    for (size_t j = 0; j < centres.size(); ++j)
      f.projections[j].push_back(along_direction(g, static_cast<int>(j), o.seed) - centres[j]);
  }
  f.step_seconds = gradients.median_seconds();
  return f;
}

Heterogeneity measure_heterogeneity(Objective& objective, const Vec& x, const HeterogeneityOptions& o) {
  Heterogeneity h;
  // Keys must not repeat those of the noise, whose seed is the same.
  Gradients gradients(objective, x, o.seed ^ (uint64_t{1} << 62));
  const auto N = static_cast<int>(o.clients);
  Vec all_a = at::zeros_like(x), all_b = at::zeros_like(x), own = at::zeros_like(x);
  for (int i = 0; i < N; ++i) {
    add_mean(gradients, i, o.batches, 1.0 / N, all_a);
    add_mean(gradients, i, o.batches, 1.0 / N, all_b);
  }
  double sum = 0;
  for (int i = 0; i < N; ++i) {
    own.copy_(all_a).neg_();
    add_mean(gradients, i, o.batches, 1, own);  // ḡ_i − ḡ, the first halves
    h.distances.push_back(l2_norm(own));
    double inner = -product(own, all_b);
    for (int64_t k = 0; k < o.batches; ++k) inner += product(own, gradients.next(i)) / static_cast<double>(o.batches);
    h.squares.push_back(inner);
    sum += inner;
  }
  h.kappa = std::sqrt(std::max(0.0, sum / N));
  return h;
}

}  // namespace tacet
