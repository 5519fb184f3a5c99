// See smoothness.h.
#include "analysis/smoothness.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/sub.h>

#include "base/clock.h"
#include "tacet/random.h"

namespace tacet {
namespace {

// Relative error of a float32 gradient, generously.
constexpr double gradient_error = 1e-6;

std::vector<double> layer_norms(const Objective& objective, const Vec& v, double factor) {
  std::vector<double> norms;
  for (const Layer& l : objective.layers()) norms.push_back(factor * l2_norm(v.narrow(0, l.offset, l.size)));
  return norms;
}

double slope_of(std::span<const double> x, std::span<const double> y) {
  const double mx = mean(x), my = mean(y);
  double xy = 0, xx = 0;
  for (size_t k = 0; k < x.size(); ++k) xy += (x[k] - mx) * (y[k] - my), xx += (x[k] - mx) * (x[k] - mx);
  return xy / xx;
}

void add_control(std::span<const double> x, std::vector<double> y, uint64_t seed, SmoothnessFit& fit) {
  constexpr int64_t deals = 400;
  const double slope = std::abs(slope_of(x, y));
  int64_t as_steep = 0;
  for (int64_t k = 0; k < deals; ++k) {
    const std::vector<int64_t> order =
        Stream(seed, Stream::everyone, Purpose::shuffle, 2, k).permutation(static_cast<int64_t>(y.size()));
    std::vector<double> dealt;
    for (int64_t j : order) dealt.push_back(y[static_cast<size_t>(j)]);
    const double other = std::abs(slope_of(x, dealt));
    fit.shuffled_slope += other / static_cast<double>(deals);
    as_steep += other >= slope;
  }
  fit.shuffled_p = static_cast<double>(as_steep + 1) / static_cast<double>(deals + 1);
}

}  // namespace

SmoothnessProbe::SmoothnessProbe(Objective& objective, std::vector<int> units, int64_t every)
    : objective_(objective), units_(std::move(units)), every_(every) {}

void SmoothnessProbe::visit(int64_t round, const Vec& x) {
  const auto start = Clock::now();
  if (round == before_round_ + 1) measure(x);
  before_round_ = -2;
  if (round % every_ == 0) {
    if (!before_.defined()) before_ = at::empty_like(x);
    before_.copy_(x);
    before_round_ = round;
  }
  seconds_ += since(start);
}

Score SmoothnessProbe::add_unit(int unit, double part, double factor) {
  Vec w = objective_.workspace();
  if (part == 0)
    w.copy_(before_);
  else
    at::lerp_out(w, before_, here_, part);
  const Score s = objective_.unit_gradient(unit, w);
  sum_.add_(objective_.gradient_buffer(), factor);
  return s;
}

Score SmoothnessProbe::add_gradients(double part, double factor) {
  Score total;
  for (const int unit : units_) {
    const Score s = add_unit(unit, part, factor);
    total.loss += s.loss;
    total.count += s.count;
    // The other end at once: sums of differences lose fewer digits than a difference of sums.
    if (part > 0) add_unit(unit, 0, -factor);
  }
  return total;
}

void SmoothnessProbe::measure(const Vec& x) {
  if (!here_.defined()) here_ = at::empty_like(x), sum_ = at::empty_like(x);
  here_.copy_(x);
  SmoothnessPoint p{.round = before_round_};
  at::sub_out(sum_, here_, before_);
  p.step = l2_norm(sum_);
  const std::vector<double> layer_steps = layer_norms(objective_, sum_, 1);
  sum_.zero_();
  const Score at_start = add_gradients(0, 1);
  const double share = 1 / at_start.count;
  p.loss = at_start.loss * share;
  p.gradient = l2_norm(sum_) * share;
  p.layer_gradients = layer_norms(objective_, sum_, share);
  p.layer_smoothness.assign(layer_steps.size(), 0);
  for (const double part : {1.0, 0.5}) {
    sum_.zero_();
    add_gradients(part, 1);
    if (p.step > 0) p.smoothness = std::max(p.smoothness, l2_norm(sum_) * share / (part * p.step));
    const std::vector<double> moved = layer_norms(objective_, sum_, share);
    for (size_t l = 0; l < moved.size(); ++l)
      if (layer_steps[l] > 0) p.layer_smoothness[l] = std::max(p.layer_smoothness[l], moved[l] / (part * layer_steps[l]));
  }
  p.rounding = p.step > 0 ? gradient_error * p.gradient / p.step : 0;
  points_.push_back(std::move(p));
  objective_.workspace().copy_(here_);
}

SmoothnessFit fit_smoothness(const std::vector<SmoothnessPoint>& points, uint64_t seed, std::optional<size_t> layer) {
  SmoothnessFit fit;
  std::vector<double> x, y, log_x, log_y;
  for (const SmoothnessPoint& p : points) {
    const double gradient = layer ? p.layer_gradients.at(*layer) : p.gradient;
    const double smoothness = layer ? p.layer_smoothness.at(*layer) : p.smoothness;
    if (!p.counts() || !(smoothness > 0)) {
      ++fit.left_out;
      continue;
    }
    x.push_back(gradient), y.push_back(smoothness);
    if (gradient > 0) log_x.push_back(std::log(gradient)), log_y.push_back(std::log(smoothness));
  }
  FitOptions options;
  options.seed = seed;
  fit.line = fit_line(x, y, options);
  fit.logarithms = fit_line(log_x, log_y, options);
  fit.bounding_slope = std::max(0.0, fit.line.slope);
  fit.covering = y[0] - fit.bounding_slope * x[0];
  for (size_t k = 0; k < x.size(); ++k) fit.covering = std::max(fit.covering, y[k] - fit.bounding_slope * x[k]);
  add_control(x, y, seed, fit);
  return fit;
}

}  // namespace tacet
