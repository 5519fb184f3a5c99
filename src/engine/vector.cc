// Norm and step over whole vectors, one pass each. Blocks have a fixed size and partial sums a fixed order, so the number of
// threads changes the time and never the bits.
#include <cassert>
#include <cmath>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "base/multiversion.h"
#include "tacet/algorithm.h"

namespace tacet {
namespace {

constexpr int64_t block = 1 << 15;

// Sums squares in 16 lanes of double, then across the lanes in order.
TACET_MULTIVERSION double square_sum(const float* v, int64_t n) {
  double lane[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; ++j) lane[j] += static_cast<double>(v[i + j]) * static_cast<double>(v[i + j]);
  double sum = 0;
  for (double s : lane) sum += s;
  for (; i < n; ++i) sum += static_cast<double>(v[i]) * static_cast<double>(v[i]);
  return sum;
}

TACET_MULTIVERSION void plain_step(float* y, const float* g, int64_t n, float a, float decay) {
  for (int64_t i = 0; i < n; ++i) y[i] -= a * (g[i] + decay * y[i]);
}

TACET_MULTIVERSION void momentum_step(float* y, const float* g, float* m, int64_t n, float a, float decay, float mu) {
  for (int64_t i = 0; i < n; ++i) {
    m[i] = mu * m[i] + (g[i] + decay * y[i]);
    y[i] -= a * m[i];
  }
}

// Corrects g ← g − mine + everyones and returns the sum of its squares, as square_sum() would.
TACET_MULTIVERSION double shift(float* g, const float* mine, const float* everyones, int64_t n) {
  double lane[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; ++j) {
      const float v = g[i + j] - mine[i + j] + everyones[i + j];
      g[i + j] = v;
      lane[j] += static_cast<double>(v) * static_cast<double>(v);
    }
  double sum = 0;
  for (double s : lane) sum += s;
  for (; i < n; ++i) {
    const float v = g[i] - mine[i] + everyones[i];
    g[i] = v;
    sum += static_cast<double>(v) * static_cast<double>(v);
  }
  return sum;
}

// Decays g ← g + decay·y and returns the sum of its squares, as square_sum() would.
TACET_MULTIVERSION double decayed(float* g, const float* y, int64_t n, float decay) {
  double lane[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; ++j) {
      const float v = g[i + j] + decay * y[i + j];
      g[i + j] = v;
      lane[j] += static_cast<double>(v) * static_cast<double>(v);
    }
  double sum = 0;
  for (double s : lane) sum += s;
  for (; i < n; ++i) {
    const float v = g[i] + decay * y[i];
    g[i] = v;
    sum += static_cast<double>(v) * static_cast<double>(v);
  }
  return sum;
}

TACET_MULTIVERSION void heavy_ball(float* m, float* g, const float* y, int64_t n, float decay, float mu) {
  for (int64_t i = 0; i < n; ++i) {
    const float v = mu * m[i] + (g[i] + decay * y[i]);
    m[i] = g[i] = v;
  }
}

TACET_MULTIVERSION void blend(float* m, const float* g, int64_t n, float beta, float rest) {
  for (int64_t i = 0; i < n; ++i) m[i] = beta * m[i] + rest * g[i];
}

// Returns √ of the blocks' sums, added in their order. squares(first, n) may change the block.
template <class Squares>
double root_of_sum(int64_t n, const Squares& squares) {
  const int64_t blocks = (n + block - 1) / block;
  std::vector<double> partial(static_cast<size_t>(blocks));
  at::parallel_for(0, blocks, 8, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b)
      partial[static_cast<size_t>(b)] = squares(b * block, std::min(block, n - b * block));
  });
  double sum = 0;
  for (double s : partial) sum += s;
  return std::sqrt(sum);
}

}  // namespace

double l2_norm(const Vec& v) {
  assert(v.is_contiguous() && v.scalar_type() == at::kFloat);
  const float* p = v.data_ptr<float>();
  return root_of_sum(v.numel(), [p](int64_t first, int64_t n) { return square_sum(p + first, n); });
}

double add_decay(Vec& g, double norm, const Vec& y, const StepRule& rule) {
  if (!rule.decay_in_norm || rule.weight_decay == 0) return norm;
  assert(g.is_contiguous() && y.is_contiguous() && y.numel() == g.numel());
  float* pg = g.data_ptr<float>();
  const float* py = y.data_ptr<float>();
  const auto lambda = static_cast<float>(rule.weight_decay);
  return root_of_sum(g.numel(), [=](int64_t first, int64_t n) { return decayed(pg + first, py + first, n, lambda); });
}

double accumulate(Vec& m, Vec& g, const Vec& y, const StepRule& rule) {
  assert(m.is_contiguous() && g.is_contiguous() && y.is_contiguous());
  assert(m.numel() == y.numel() && g.numel() == y.numel());
  float *pm = m.data_ptr<float>(), *pg = g.data_ptr<float>();
  const float* py = y.data_ptr<float>();
  const auto lambda = static_cast<float>(rule.weight_decay), mu = static_cast<float>(rule.momentum);
  return root_of_sum(g.numel(), [=](int64_t first, int64_t n) {
    heavy_ball(pm + first, pg + first, py + first, n, lambda, mu);
    return square_sum(pg + first, n);
  });
}

void descend(Vec& y, const Vec& g, double a, const StepRule& rule, Vec* m) {
  assert(y.is_contiguous() && g.is_contiguous() && y.numel() == g.numel());
  assert(rule.momentum == 0 || (m != nullptr && m->is_contiguous() && m->numel() == y.numel()));
  float* py = y.data_ptr<float>();
  const float* pg = g.data_ptr<float>();
  float* pm = rule.momentum != 0 ? m->data_ptr<float>() : nullptr;
  const float fa = static_cast<float>(a);
  const float decay = rule.decay_in_norm ? 0.0f : static_cast<float>(rule.weight_decay);
  const float mu = static_cast<float>(rule.momentum);
  at::parallel_for(0, y.numel(), 8 * block, [&](int64_t first, int64_t last) {
    if (pm)
      momentum_step(py + first, pg + first, pm + first, last - first, fa, decay, mu);
    else
      plain_step(py + first, pg + first, last - first, fa, decay);
  });
}

double correct(Vec& g, const Vec& mine, const Vec& everyones) {
  assert(g.is_contiguous() && mine.is_contiguous() && everyones.is_contiguous());
  assert(g.numel() == mine.numel() && g.numel() == everyones.numel());
  float* pg = g.data_ptr<float>();
  const float *pm = mine.data_ptr<float>(), *pe = everyones.data_ptr<float>();
  return root_of_sum(g.numel(), [=](int64_t first, int64_t n) { return shift(pg + first, pm + first, pe + first, n); });
}

void average_in(Vec& m, const Vec& g, double beta) {
  assert(m.is_contiguous() && g.is_contiguous() && m.numel() == g.numel());
  float* pm = m.data_ptr<float>();
  const float* pg = g.data_ptr<float>();
  const float keep = static_cast<float>(beta), take = static_cast<float>(1 - beta);
  at::parallel_for(0, m.numel(), 8 * block,
                   [&](int64_t first, int64_t last) { blend(pm + first, pg + first, last - first, keep, take); });
}

}  // namespace tacet
