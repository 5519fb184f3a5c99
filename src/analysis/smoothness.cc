// See smoothness.h.
#include "analysis/smoothness.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

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

// Returns |v_j| times the factor for each of the coordinates j.
std::vector<double> coordinates_of(const Vec& v, const std::vector<int64_t>& coordinates, double factor) {
  const float* p = v.data_ptr<float>();
  std::vector<double> sizes;
  for (const int64_t j : coordinates) sizes.push_back(factor * std::abs(static_cast<double>(p[j])));
  return sizes;
}

double slope_of(std::span<const double> x, std::span<const double> y) {
  const double mx = mean(x), my = mean(y);
  double xy = 0, xx = 0;
  for (size_t k = 0; k < x.size(); ++k) xy += (x[k] - mx) * (y[k] - my), xx += (x[k] - mx) * (x[k] - mx);
  return xy / xx;
}

void add_control(std::span<const double> x, const std::vector<double>& y, uint64_t seed, SmoothnessFit& fit) {
  constexpr int64_t deals = 400;
  const double slope = std::abs(slope_of(x, y));
  int64_t as_steep = 0;
  for (int64_t k = 0; k < deals; ++k) {
    const double other = std::abs(slope_of(x, dealt_at_random(y, seed, k)));
    fit.shuffled_slope += other / static_cast<double>(deals);
    as_steep += other >= slope;
  }
  fit.shuffled_p = static_cast<double>(as_steep + 1) / static_cast<double>(deals + 1);
}

}  // namespace

SmoothnessProbe::SmoothnessProbe(Objective& objective, std::vector<int> units, int64_t every,
                                 std::vector<int64_t> coordinates)
    : objective_(objective), units_(std::move(units)), coordinates_(std::move(coordinates)), every_(every) {}

void SmoothnessProbe::release() {
  before_ = Vec();
  before_round_ = -2;
}

void SmoothnessProbe::visit(int64_t round, const Vec& x) {
  const auto start = Clock::now();
  if (round == before_round_ + 1) points_.push_back(measure(x));
  begin(round, x);
  seconds_ += since(start);
}

SmoothnessPoint SmoothnessProbe::close(int64_t round, const Vec& x) {
  const auto start = Clock::now();
  if (round != before_round_ + 1) throw std::logic_error("a pair must begin in the round before its end");
  SmoothnessPoint p = measure(x);
  before_round_ = -2;
  seconds_ += since(start);
  return p;
}

void SmoothnessProbe::begin(int64_t round, const Vec& x) {
  if (!before_.defined()) before_ = at::empty_like(x);
  before_.copy_(x);
  before_round_ = round % every_ == 0 ? round : -2;
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

void SmoothnessProbe::add_change(double part, double share, SmoothnessPoint& p) const {
  if (p.step > 0) p.smoothness = std::max(p.smoothness, l2_norm(sum_) * share / (part * p.step));
  const std::vector<double> moved = layer_norms(objective_, sum_, share);
  for (size_t l = 0; l < moved.size(); ++l)
    if (p.layer_steps[l] > 0) p.layer_smoothness[l] = std::max(p.layer_smoothness[l], moved[l] / (part * p.layer_steps[l]));
  const std::vector<double> changes = coordinates_of(sum_, coordinates_, share);
  for (size_t j = 0; p.step > 0 && j < changes.size(); ++j)
    p.coordinate_smoothness[j] = std::max(p.coordinate_smoothness[j], changes[j] / (part * p.step));
}

SmoothnessPoint SmoothnessProbe::measure(const Vec& x) {
  here_ = x.clone();
  SmoothnessPoint p{.round = before_round_};
  sum_ = at::sub(here_, before_);
  p.step = l2_norm(sum_);
  p.layer_steps = layer_norms(objective_, sum_, 1);
  sum_.zero_();
  const Score at_start = add_gradients(0, 1);
  const double share = 1 / at_start.count;
  p.loss = at_start.loss * share;
  p.gradient = l2_norm(sum_) * share;
  p.layer_gradients = layer_norms(objective_, sum_, share);
  p.layer_smoothness.assign(p.layer_steps.size(), 0);
  p.coordinate_gradients = coordinates_of(sum_, coordinates_, share);
  p.coordinate_smoothness.assign(coordinates_.size(), 0);
  for (const double part : {1.0, 0.5}) {
    sum_.zero_();
    add_gradients(part, 1);
    add_change(part, share, p);
  }
  p.rounding = p.step > 0 ? gradient_error * p.gradient / p.step : 0;
  objective_.workspace().copy_(here_);
  here_ = sum_ = Vec();
  return p;
}

void SmoothnessCloud::add(double gradient, double smoothed, bool counts) {
  if (!counts || !(smoothed > 0)) {
    ++left_out;
    return;
  }
  gradients.push_back(gradient);
  smoothness.push_back(smoothed);
}

SmoothnessCloud smoothness_cloud(const std::vector<SmoothnessPoint>& points, std::optional<size_t> layer) {
  SmoothnessCloud cloud;
  for (const SmoothnessPoint& p : points) {
    if (!layer) {
      cloud.add(p.gradient, p.smoothness, p.counts());
      continue;
    }
    const double gradient = p.layer_gradients.at(*layer), smoothness = p.layer_smoothness.at(*layer);
    cloud.add(gradient, smoothness, p.counts() && smoothness * p.layer_steps.at(*layer) > 10 * gradient_error * gradient);
  }
  return cloud;
}

SmoothnessCloud coordinate_cloud(const std::vector<SmoothnessPoint>& points) {
  SmoothnessCloud cloud;
  for (const SmoothnessPoint& p : points)
    for (size_t j = 0; j < p.coordinate_gradients.size(); ++j) {
      const double gradient = p.coordinate_gradients[j], smoothness = p.coordinate_smoothness[j];
      cloud.add(gradient, smoothness, p.counts() && smoothness * p.step > 10 * gradient_error * gradient);
    }
  return cloud;
}

std::vector<double> dealt_at_random(const std::vector<double>& values, uint64_t seed, int64_t k) {
  const std::vector<int64_t> order =
      Stream(seed, Stream::everyone, Purpose::shuffle, 2, k).permutation(static_cast<int64_t>(values.size()));
  std::vector<double> dealt;
  for (const int64_t j : order) dealt.push_back(values[static_cast<size_t>(j)]);
  return dealt;
}

SmoothnessFit fit_cloud(const SmoothnessCloud& cloud, uint64_t seed) {
  const std::vector<double>&x = cloud.gradients, &y = cloud.smoothness;
  SmoothnessFit fit;
  fit.left_out = cloud.left_out;
  std::vector<double> log_x, log_y;
  for (size_t k = 0; k < x.size(); ++k)
    if (x[k] > 0) log_x.push_back(std::log(x[k])), log_y.push_back(std::log(y[k]));
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

SmoothnessFit fit_smoothness(const std::vector<SmoothnessPoint>& points, uint64_t seed, std::optional<size_t> layer) {
  return fit_cloud(smoothness_cloud(points, layer), seed);
}

}  // namespace tacet
