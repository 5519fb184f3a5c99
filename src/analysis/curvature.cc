// See curvature.h.
#include "analysis/curvature.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty_like.h>

#include "tacet/error.h"
#include "tacet/random.h"

namespace tacet {
namespace {

constexpr double float_gradient_error = 1e-6;  // relative, of a float32 gradient, generously

// Fills v with the k-th random vector of coordinates ±1/√d.
void fill_signs(Vec& v, uint64_t seed, int64_t k) {
  Stream stream(seed, Stream::everyone, Purpose::shuffle, 5, k);
  float* p = v.data_ptr<float>();
  const float size = 1 / std::sqrt(static_cast<float>(v.numel()));
  for (int64_t j = 0; j < v.numel();) {
    uint32_t bits = stream.bits();
    for (const int64_t end = std::min(j + 32, v.numel()); j < end; ++j, bits >>= 1) p[j] = bits & 1 ? size : -size;
  }
}

// Fills v with a random vector of length 1, which is orthogonal to no eigenvector.
void fill_start(Vec& v, uint64_t seed) {
  Stream stream(seed, Stream::everyone, Purpose::shuffle, 6, 0);
  float* p = v.data_ptr<float>();
  for (int64_t j = 0; j < v.numel(); ++j) p[j] = static_cast<float>(stream.normal());
  v.div_(l2_norm(v));
}

double along_vector(const Vec& v, const std::vector<double>& product) {
  const float* p = v.data_ptr<float>();
  double sum = 0;
  for (size_t j = 0; j < product.size(); ++j) sum += p[j] * product[j];
  return sum;
}

// Returns ‖H v − λ v‖.
double residual_of(const Vec& v, const std::vector<double>& product, double eigenvalue) {
  const float* p = v.data_ptr<float>();
  double sum = 0;
  for (size_t j = 0; j < product.size(); ++j) sum += std::pow(product[j] - eigenvalue * p[j], 2);
  return std::sqrt(sum);
}

// Makes v the product's direction. Returns false where the product is 0.
bool follow_product(Vec& v, const std::vector<double>& product) {
  double square = 0;
  for (const double value : product) square += value * value;
  if (!(square > 0)) return false;
  float* p = v.data_ptr<float>();
  for (size_t j = 0; j < product.size(); ++j) p[j] = static_cast<float>(product[j] / std::sqrt(square));
  return true;
}

// Runs the power iteration until its residual is small, and repeats the last product with half the step.
void find_eigenvalue(HessianProduct& hessian, const CurvatureOptions& o, Vec& v, std::vector<double>& product,
                     Curvature& c) {
  const int64_t most = std::max<int64_t>(1, o.products / 2 - 1);
  fill_start(v, o.seed);
  while (c.products < most && (c.products < 1 || o.time_left())) {
    if (c.products > 0 && !follow_product(v, product)) break;  // H v = 0: λ is 0
    hessian(v, c.step, product);
    ++c.products;
    c.eigenvalue = along_vector(v, product);
    c.residual = residual_of(v, product, c.eigenvalue);
    c.rayleigh.push_back(c.eigenvalue);
    c.converged = c.residual <= 1e-3 * std::abs(c.eigenvalue);
    if (c.converged) break;
  }
  hessian(v, c.step / 2, product);
  ++c.products;
  c.step_change = std::abs(along_vector(v, product) - c.eigenvalue);
}

}  // namespace

HessianProduct::HessianProduct(Objective& objective, const Vec& x, std::vector<int> units)
    : objective_(objective), x_(x), units_(std::move(units)) {
  const double norm = l2_norm(x);
  step_ = 1e-3 * (norm > 0 ? norm : 1);
}

double HessianProduct::add(const Vec& v, double h, double factor, std::vector<double>& sum) {
  double count = 0;
  for (const int unit : units_) {
    Vec w = objective_.workspace();
    at::add_out(w, x_, v, h);
    count += objective_.unit_gradient(unit, w).count;
    const Vec g = objective_.gradient_buffer();
    const float* p = g.data_ptr<float>();
    for (size_t j = 0; j < sum.size(); ++j) sum[j] += factor * static_cast<double>(p[j]);
  }
  return count;
}

void HessianProduct::operator()(const Vec& v, double h, std::vector<double>& product) {
  std::fill(product.begin(), product.end(), 0.0);
  const double count = add(v, h, 1, product);
  add(v, -h, -1, product);
  for (double& value : product) {
    value /= 2 * h * count;
    if (!std::isfinite(value))
      throw UserError("the probe met a gradient that is not finite: its curvature can't be measured");
  }
}

double HessianProduct::gradient_norm() {
  std::vector<double> sum(static_cast<size_t>(x_.numel()), 0.0);
  const double count = add(x_, 0, 1, sum);
  double square = 0;
  for (const double value : sum) square += value * value;
  return std::sqrt(square) / count;
}

Curvature measure_curvature(Objective& objective, const Vec& x, const CurvatureOptions& o) {
  if (!o.time_left()) throw UserError("no time is left for a product of the Hessian with a vector: give more --seconds");
  HessianProduct hessian(objective, x, o.units);
  Curvature c;
  c.gradient = hessian.gradient_norm();
  c.step = hessian.step();
  c.rounding = float_gradient_error * c.gradient / c.step;
  Vec v = at::empty_like(x);
  std::vector<double> product(static_cast<size_t>(x.numel()));
  find_eigenvalue(hessian, o, v, product, c);
  for (int64_t k = 1; c.products < o.products && o.time_left(); ++k) {
    fill_signs(v, o.seed, k);
    hessian(v, c.step, product);
    ++c.products;
    c.traces.push_back(static_cast<double>(x.numel()) * along_vector(v, product));
  }
  return c;
}

}  // namespace tacet
