// See noise_probe.h.
#include "analysis/noise_probe.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>

#include "analysis/drawn_gradients.h"
#include "tacet/random.h"

namespace tacet {
namespace {

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

// The first principal direction of vectors that come one by one, less a centre. It holds one vector: incremental principal
// components without covariance (Weng, Zhang, Hwang, IEEE Transactions on Pattern Analysis and Machine Intelligence 25(8),
// 2003), with the old estimate's weight lowered by `forget`, as that began with nothing.
class PrincipalDirection {
 public:
  explicit PrincipalDirection(const Vec& centre) : centre_(centre) {}
  void add(const Vec& g) {
    ++count_;
    if (count_ == 1) {
      v_ = g - centre_;
      return;
    }
    const double n = static_cast<double>(count_), forget = count_ > 20 ? 2 : 0, length = l2_norm(v_);
    if (length == 0) {
      v_.copy_(g).sub_(centre_);
      return;
    }
    const double along = (inner_product(g, v_) - inner_product(centre_, v_)) / length, weight = (1 + forget) / n;
    v_.mul_(1 - weight).add_(g, weight * along).sub_(centre_, weight * along);
  }
  // Ends the search. Returns the direction as a unit vector, or nothing where there was no noise.
  Vec unit() {
    const double length = v_.defined() ? l2_norm(v_) : 0;
    return length > 0 ? v_.div_(length) : Vec();
  }

 private:
  const Vec& centre_;
  Vec v_;
  int64_t count_ = 0;
};

}  // namespace

NoiseFigures measure_noise(Objective& objective, const Vec& x, const NoiseOptions& o) {
  NoiseFigures f;
  DrawnGradients gradients(objective, x, o.seed, 0, o.round);
  Vec reference = at::zeros_like(x);
  SquareCollector squares(x, o.group, f);
  for (; f.reference < o.reference && (f.reference < 2 || o.time_left(1.0 / 3)); ++f.reference) {
    const Vec g = gradients.next(o.client);
    squares.add(g, l2_norm(g));
    reference.add_(g);
    f.batch += static_cast<double>(gradients.last().samples);
  }
  f.group = o.group;
  f.batch /= static_cast<double>(f.reference);
  reference.div_(static_cast<double>(f.reference));
  f.gradient = l2_norm(reference);
  PrincipalDirection principal(reference);
  for (; f.principal < o.principal && (f.principal < 2 || o.time_left(2.0 / 3)); ++f.principal) {
    const Vec g = gradients.next(o.client);
    squares.add(g, l2_norm(g));
    principal.add(g);
  }
  const Vec v = principal.unit();
  const double centre_along = v.defined() ? inner_product(reference, v) : 0;
  std::vector<double> centres;
  for (int j = 0; j < o.directions; ++j) centres.push_back(along_direction(reference, j, o.seed));
  f.projections.resize(centres.size());
  // ‖g − ḡ‖² has the noise of ḡ in it: a share of 1/(reference + 1).
  const double less = 1 / std::sqrt(1 + 1 / static_cast<double>(f.reference));
  for (; f.samples < o.samples && (f.samples < 2 || o.time_left(1)); ++f.samples) {
    const Vec g = gradients.next(o.client);
    const double norm = l2_norm(g), inner = inner_product(g, reference);
    squares.add(g, norm);
    f.gradient_norms.push_back(norm);
    f.along.push_back(f.gradient > 0 ? inner / f.gradient : 0);
    f.norms.push_back(less * std::sqrt(std::max(0.0, norm * norm - 2 * inner + f.gradient * f.gradient)));
    if (v.defined()) f.along_principal.push_back(inner_product(g, v) - centre_along);
    for (size_t j = 0; j < centres.size(); ++j)
      f.projections[j].push_back(along_direction(g, static_cast<int>(j), o.seed) - centres[j]);
  }
  f.step_seconds = gradients.median_seconds();
  return f;
}

}  // namespace tacet
