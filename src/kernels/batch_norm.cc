// See batch_norm.h. Channels are taken 16 at a time, so that their sums stay in registers.
#include "kernels/batch_norm.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <ATen/Parallel.h>

#include "core/multiversion.h"

namespace tacet {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kBlock = 4096;  // values in a block: its tensors fit into the first cache

int64_t rows_of_block(Rows rows) { return std::max<int64_t>(1, kBlock / rows.c); }
int64_t blocks(Rows rows) { return (rows.n + rows_of_block(rows) - 1) / rows_of_block(rows); }

// f(block, first row, rows) for every block, over the threads.
template <typename F>
void each_block(Rows rows, const F& f) {
  const int64_t step = rows_of_block(rows);
  at::parallel_for(0, blocks(rows), 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) f(b, b * step, std::min(step, rows.n - b * step));
  });
}

// Each loop comes with the full number of lanes, known when compiling, and with what is left of the channels.
TACET_MULTIVERSION void sums(Rows rows, const float* __restrict y, float* __restrict sum) {
  for (int64_t c = 0; c < rows.c; c += kLanes) {
    const int64_t lanes = std::min(kLanes, rows.c - c);
    float s[kLanes] = {};
    if (lanes == kLanes) {
      for (int64_t r = 0; r < rows.n; ++r)
        for (int64_t k = 0; k < kLanes; ++k) s[k] += y[r * rows.c + c + k];
    } else {
      for (int64_t r = 0; r < rows.n; ++r)
        for (int64_t k = 0; k < lanes; ++k) s[k] += y[r * rows.c + c + k];
    }
    std::copy_n(s, lanes, sum + c);
  }
}

TACET_MULTIVERSION void squares(Rows rows, const float* __restrict y, const float* __restrict mean, float* __restrict sum) {
  for (int64_t c = 0; c < rows.c; c += kLanes) {
    const int64_t lanes = std::min(kLanes, rows.c - c);
    float s[kLanes] = {}, m[kLanes] = {};
    std::copy_n(mean + c, lanes, m);
    if (lanes == kLanes) {
      for (int64_t r = 0; r < rows.n; ++r)
        for (int64_t k = 0; k < kLanes; ++k) s[k] += (y[r * rows.c + c + k] - m[k]) * (y[r * rows.c + c + k] - m[k]);
    } else {
      for (int64_t r = 0; r < rows.n; ++r)
        for (int64_t k = 0; k < lanes; ++k) s[k] += (y[r * rows.c + c + k] - m[k]) * (y[r * rows.c + c + k] - m[k]);
    }
    std::copy_n(s, lanes, sum + c);
  }
}

TACET_MULTIVERSION void scaled(Rows rows, const float* __restrict y, const float* __restrict scale,
                               const float* __restrict shift, const float* __restrict added, float least,
                               float* __restrict z) {
  for (int64_t c = 0; c < rows.c; c += kLanes) {
    const int64_t lanes = std::min(kLanes, rows.c - c);
    float a[kLanes] = {}, b[kLanes] = {};
    std::copy_n(scale + c, lanes, a);
    std::copy_n(shift + c, lanes, b);
    for (int64_t at = c; at < rows.n * rows.c; at += rows.c) {
      float v[kLanes];
      if (lanes == kLanes) {
        for (int64_t k = 0; k < kLanes; ++k) v[k] = a[k] * y[at + k] + b[k];
        if (added)
          for (int64_t k = 0; k < kLanes; ++k) v[k] += added[at + k];
        for (int64_t k = 0; k < kLanes; ++k) z[at + k] = v[k] < least ? least : v[k];  // NaN stays
      } else {
        for (int64_t k = 0; k < lanes; ++k) v[k] = a[k] * y[at + k] + b[k] + (added ? added[at + k] : 0.0f);
        for (int64_t k = 0; k < lanes; ++k) z[at + k] = v[k] < least ? least : v[k];
      }
    }
  }
}

// The sums of d = dz where ReLU let it through and of d·(y − mean).
TACET_MULTIVERSION void backward_sums(Rows rows, const float* __restrict y, const float* __restrict dz,
                                      const float* __restrict z, const float* __restrict mean, float* __restrict sum,
                                      float* __restrict product) {
  for (int64_t c = 0; c < rows.c; c += kLanes) {
    const int64_t lanes = std::min(kLanes, rows.c - c);
    float s[kLanes] = {}, p[kLanes] = {}, m[kLanes] = {};
    std::copy_n(mean + c, lanes, m);
    if (lanes == kLanes) {
      for (int64_t r = 0; r < rows.n; ++r) {
        const int64_t at = r * rows.c + c;
        float d[kLanes];
        for (int64_t k = 0; k < kLanes; ++k) d[k] = dz[at + k] * (z[at + k] > 0 ? 1.0f : 0.0f);
        for (int64_t k = 0; k < kLanes; ++k) s[k] += d[k];
        for (int64_t k = 0; k < kLanes; ++k) p[k] += d[k] * (y[at + k] - m[k]);
      }
    } else {
      for (int64_t r = 0; r < rows.n; ++r) {
        const int64_t at = r * rows.c + c;
        float d[kLanes];
        for (int64_t k = 0; k < lanes; ++k) d[k] = dz[at + k] * (z[at + k] > 0 ? 1.0f : 0.0f);
        for (int64_t k = 0; k < lanes; ++k) s[k] += d[k];
        for (int64_t k = 0; k < lanes; ++k) p[k] += d[k] * (y[at + k] - m[k]);
      }
    }
    std::copy_n(s, lanes, sum + c);
    std::copy_n(p, lanes, product + c);
  }
}

// dy = a·(d − u − (y − mean)·v) for each channel, and d itself where d_added is not null.
TACET_MULTIVERSION void through(Rows rows, const float* __restrict y, const float* __restrict dz, const float* __restrict z,
                                const float* __restrict mean, const float* __restrict a, const float* __restrict u,
                                const float* __restrict v, float* __restrict dy, float* __restrict d_added) {
  for (int64_t c = 0; c < rows.c; c += kLanes) {
    const int64_t lanes = std::min(kLanes, rows.c - c);
    float m[kLanes] = {}, factor[kLanes] = {}, share[kLanes] = {}, slope[kLanes] = {};
    std::copy_n(mean + c, lanes, m);
    std::copy_n(a + c, lanes, factor);
    std::copy_n(u + c, lanes, share);
    std::copy_n(v + c, lanes, slope);
    for (int64_t at = c; at < rows.n * rows.c; at += rows.c) {
      float d[kLanes];
      if (lanes == kLanes) {
        for (int64_t k = 0; k < kLanes; ++k) d[k] = dz[at + k] * (z[at + k] > 0 ? 1.0f : 0.0f);
        for (int64_t k = 0; k < kLanes; ++k) dy[at + k] = factor[k] * (d[k] - share[k] - (y[at + k] - m[k]) * slope[k]);
        if (d_added)
          for (int64_t k = 0; k < kLanes; ++k) d_added[at + k] = d[k];
      } else {
        for (int64_t k = 0; k < lanes; ++k) d[k] = dz[at + k] * (z[at + k] > 0 ? 1.0f : 0.0f);
        for (int64_t k = 0; k < lanes; ++k) dy[at + k] = factor[k] * (d[k] - share[k] - (y[at + k] - m[k]) * slope[k]);
        if (d_added) std::copy_n(d, lanes, d_added + at);
      }
    }
  }
}

// Every block's c values, added up in order.
std::vector<double> total(const std::vector<float>& parts, int64_t c) {
  std::vector<double> sum(static_cast<size_t>(c), 0.0);
  for (size_t k = 0; k < parts.size(); ++k) sum[k % static_cast<size_t>(c)] += static_cast<double>(parts[k]);
  return sum;
}

std::vector<float> room(Rows rows) { return std::vector<float>(static_cast<size_t>(blocks(rows) * rows.c)); }

}  // namespace

void channel_moments(Rows rows, const float* y, float* mean, float* variance) {
  std::vector<float> means = room(rows), around = room(rows);  // of each block; then merged (Chan, Golub, LeVeque 1983)
  each_block(rows, [&](int64_t b, int64_t first, int64_t n) {
    float* const m = means.data() + b * rows.c;
    sums({n, rows.c}, y + first * rows.c, m);
    for (int64_t k = 0; k < rows.c; ++k) m[k] /= static_cast<float>(n);
    squares({n, rows.c}, y + first * rows.c, m, around.data() + b * rows.c);
  });
  for (int64_t k = 0; k < rows.c; ++k) {
    double m = 0, s = 0, count = 0;
    for (int64_t b = 0; b < blocks(rows); ++b) {
      const auto n = static_cast<double>(std::min(rows_of_block(rows), rows.n - b * rows_of_block(rows)));
      const auto at = static_cast<size_t>(b * rows.c + k);
      const double apart = static_cast<double>(means[at]) - m;
      s += static_cast<double>(around[at]) + apart * apart * n * count / (n + count);
      count += n;
      m += apart * n / count;
    }
    mean[k] = static_cast<float>(m);
    variance[k] = static_cast<float>(s / count);
  }
}

void scale_shift(Rows rows, const float* y, const float* scale, const float* shift, const float* added, bool relu,
                 float* z) {
  const float least = relu ? 0.0f : -std::numeric_limits<float>::infinity();
  each_block(rows, [&](int64_t, int64_t first, int64_t n) {
    const int64_t at = first * rows.c;
    scaled({n, rows.c}, y + at, scale, shift, added ? added + at : nullptr, least, z + at);
  });
}

void norm_backward(Rows rows, const float* y, const float* dz, const float* z, const Norm& norm, float* dy, float* d_weight,
                   float* d_bias, float* d_added) {
  std::vector<float> sum = room(rows), product = room(rows);
  const std::vector<float> ones(z ? 0 : static_cast<size_t>(rows_of_block(rows) * rows.c), 1.0f);  // a block without ReLU
  const auto result = [&](int64_t at) { return z ? z + at : ones.data(); };
  each_block(rows, [&](int64_t b, int64_t first, int64_t n) {
    const int64_t at = first * rows.c;
    backward_sums({n, rows.c}, y + at, dz + at, result(at), norm.mean, sum.data() + b * rows.c, product.data() + b * rows.c);
  });
  const std::vector<double> s = total(sum, rows.c), p = total(product, rows.c);
  std::vector<float> a(s.size()), u(s.size()), v(s.size());
  for (size_t k = 0; k < s.size(); ++k) {
    const double inverse = static_cast<double>(norm.inverse_deviation[k]), n = static_cast<double>(rows.n);
    d_bias[k] = static_cast<float>(s[k]);
    d_weight[k] = static_cast<float>(p[k] * inverse);
    a[k] = norm.weight[k] * norm.inverse_deviation[k];
    u[k] = static_cast<float>(s[k] / n);
    v[k] = static_cast<float>(p[k] * inverse * inverse / n);
  }
  each_block(rows, [&](int64_t, int64_t first, int64_t n) {
    const int64_t at = first * rows.c;
    through({n, rows.c}, y + at, dz + at, result(at), norm.mean, a.data(), u.data(), v.data(), dy + at,
            d_added ? d_added + at : nullptr);
  });
}

}  // namespace tacet
