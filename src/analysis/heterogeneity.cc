// See heterogeneity.h. A product of two independent estimates has no bias, where a square would hold their noise.
#include "analysis/heterogeneity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>

#include "analysis/drawn_gradients.h"

namespace tacet {
namespace {

// Returns a/√b, or NaN where b is not above 0.
double over_root(double a, double b) { return b > 0 ? a / std::sqrt(b) : std::numeric_limits<double>::quiet_NaN(); }

bool has_correction(const MethodCorrections& c, int client) {
  const auto found = c.clients->all().find(client);
  return found != c.clients->all().end() && found->second.defined();
}

// Returns G. Where the method has none it is made from the clients' in `memory`.
Vec mean_correction(const MethodCorrections& c, Vec memory) {
  if (c.mean.defined()) return c.mean;
  memory.zero_();
  double count = 0;
  for (const auto& [client, v] : c.clients->all())
    if (v.defined()) memory.add_(v), ++count;
  return count > 0 ? memory.div_(count) : memory;
}

// Returns the corrections' quality. `mean` has an estimate of ∇f that does not depend on them; `memory` and `own` are
// overwritten.
CorrectionQuality quality_of(const MethodCorrections& c, DrawnGradients& gradients, const Heterogeneity& h,
                             const HeterogeneityOptions& o, const Vec& mean, const Vec& memory, Vec& own) {
  const Vec G = mean_correction(c, memory);
  CorrectionQuality q;
  q.mean_cosine = over_root(over_root(inner_product(G, mean), h.gradient_square), inner_product(G, G));
  q.mean_ratio = over_root(l2_norm(G), h.gradient_square);
  double inner = 0, square = 0, truth = 0;
  for (int i = 0; i < static_cast<int>(o.clients); ++i) {
    if (!has_correction(c, i)) continue;
    const Vec& G_i = c.clients->all().at(i);
    own.copy_(mean).neg_();
    gradients.add_mean(i, o.batches, 1, own);
    inner += inner_product(own, G_i) - inner_product(own, G);
    square += inner_product(G_i, G_i) - 2 * inner_product(G_i, G) + inner_product(G, G);
    truth += h.squares[static_cast<size_t>(i)];
    ++q.clients;
  }
  q.cosine = over_root(over_root(inner, truth), square);
  q.ratio = over_root(std::sqrt(std::max(0.0, square)), truth);
  return q;
}

}  // namespace

Heterogeneity measure_heterogeneity(Objective& objective, const Vec& x, const HeterogeneityOptions& o) {
  Heterogeneity h;
  DrawnGradients gradients(objective, x, o.seed, o.series);
  const auto N = static_cast<int>(o.clients);
  Vec all_a = at::zeros_like(x), all_b = at::zeros_like(x), own = at::zeros_like(x);
  for (int i = 0; i < N; ++i) {
    gradients.add_mean(i, o.batches, 1.0 / N, all_a);
    gradients.add_mean(i, o.batches, 1.0 / N, all_b);
  }
  h.gradient_square = inner_product(all_a, all_b);
  double sum = 0;
  for (int i = 0; i < N; ++i) {
    own.copy_(all_a).neg_();
    gradients.add_mean(i, o.batches, 1, own);  // ḡ_i − ḡ, the first halves
    h.distances.push_back(l2_norm(own));
    double inner = -inner_product(own, all_b);
    for (int64_t k = 0; k < o.batches; ++k) inner += inner_product(own, gradients.next(i)) / static_cast<double>(o.batches);
    h.squares.push_back(inner);
    sum += inner;
  }
  h.kappa = sum >= 0 ? std::sqrt(sum / N) : std::numeric_limits<double>::quiet_NaN();
  if (o.corrections) h.corrections = quality_of(*o.corrections, gradients, h, o, all_a, all_b, own);
  return h;
}

}  // namespace tacet
