// See drawn_gradients.h.
#include "analysis/drawn_gradients.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "analysis/statistics.h"
#include "base/clock.h"
#include "tacet/error.h"

namespace tacet {

double inner_product(const Vec& a, const Vec& b) {
  const float *p = a.data_ptr<float>(), *q = b.data_ptr<float>();
  double sum = 0;
  for (int64_t k = 0; k < a.numel(); ++k) sum += static_cast<double>(p[k]) * q[k];
  return sum;
}

DrawnGradients::DrawnGradients(Objective& objective, const Vec& x, uint64_t seed, int64_t series,
                               std::optional<int64_t> round)
    : objective_(objective), seed_(seed), series_(series), round_(round), y_(objective.workspace()) {
  if (y_.data_ptr() != x.data_ptr()) y_.copy_(x);
}

Vec DrawnGradients::next(int client) {
  const auto start = Clock::now();
  const int64_t k = drawn_++;
  const BatchKey own_round{seed_, client, kFarRound + k, series_, kFarRound + k};
  const BatchKey step_of_round{seed_, client, round_.value_or(0), k, kFarRound + k};
  last_ = objective_.gradient(round_ ? step_of_round : own_round, y_);
  seconds_.push_back(since(start));
  Vec g = objective_.gradient_buffer();
  if (!std::isfinite(l2_norm(g))) throw UserError("the probe met a gradient that is not finite: nothing can be said here");
  return g;
}

void DrawnGradients::add_mean(int client, int64_t batches, double factor, Vec& sum) {
  for (int64_t k = 0; k < batches; ++k) sum.add_(next(client), factor / static_cast<double>(batches));
}

double DrawnGradients::median_seconds() const { return quantile(seconds_, 0.5); }

}  // namespace tacet
