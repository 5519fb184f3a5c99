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

int64_t blocks(Rows rows) { return (rows.n + rows.block - 1) / rows.block; }

// f(first row, rows) for ranges of whole blocks, over the threads.
template <typename F>
void each_range(Rows rows, const F& f) {
  at::parallel_for(0, blocks(rows), 1, [&](int64_t begin, int64_t end) {
    f(begin * rows.block, std::min(end * rows.block, rows.n) - begin * rows.block);
  });
}

// f(first row, rows) for the blocks of a range.
template <typename F>
void each_block(Rows rows, int64_t first, int64_t n, const F& f) {
  for (int64_t row = first; row < first + n; row += rows.block) f(row, std::min(rows.block, first + n - row));
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
TACET_MULTIVERSION void values_through(Rows rows, const float* __restrict y, const float* __restrict dz,
                                       const float* __restrict z, const float* __restrict mean, const float* __restrict a,
                                       const float* __restrict u, const float* __restrict v, float* __restrict dy,
                                       float* __restrict d_added) {
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

size_t room(Rows rows) { return static_cast<size_t>(blocks(rows) * rows.c); }

}  // namespace

Rows rows_of_images(int64_t images, int64_t height, int64_t width, int64_t c) {
  int64_t lines = std::clamp<int64_t>(kBlock / c / width, 1, height);
  while (height % lines != 0) --lines;
  return {images * height * width, c, lines * width};
}

Moments::Moments(Rows rows) : rows_(rows), means_(room(rows)), squares_(room(rows)) {}

void Moments::add(int64_t first, int64_t n, const float* y) {
  each_block(rows_, first, n, [&](int64_t row, int64_t count) {
    const float* const from = y + (row - first) * rows_.c;
    float* const mean = means_.data() + row / rows_.block * rows_.c;
    sums({count, rows_.c}, from, mean);
    for (int64_t k = 0; k < rows_.c; ++k) mean[k] /= static_cast<float>(count);
    squares({count, rows_.c}, from, mean, squares_.data() + row / rows_.block * rows_.c);
  });
}

// Blocks are merged after Chan, Golub and LeVeque (1983).
void Moments::finish(float* mean, float* variance) const {
  for (int64_t k = 0; k < rows_.c; ++k) {
    double m = 0, s = 0, count = 0;
    for (int64_t b = 0; b < blocks(rows_); ++b) {
      const auto n = static_cast<double>(std::min(rows_.block, rows_.n - b * rows_.block));
      const auto at = static_cast<size_t>(b * rows_.c + k);
      const double apart = static_cast<double>(means_[at]) - m;
      s += static_cast<double>(squares_[at]) + apart * apart * n * count / (n + count);
      count += n;
      m += apart * n / count;
    }
    mean[k] = static_cast<float>(m);
    variance[k] = static_cast<float>(s / count);
  }
}

void channel_moments(Rows rows, const float* y, float* mean, float* variance) {
  Moments moments(rows);
  each_range(rows, [&](int64_t first, int64_t n) { moments.add(first, n, y + first * rows.c); });
  moments.finish(mean, variance);
}

void scale_shift(Rows rows, const float* y, const float* scale, const float* shift, const float* added, bool relu,
                 float* z) {
  const float least = relu ? 0.0f : -std::numeric_limits<float>::infinity();
  each_range(rows, [&](int64_t begin, int64_t count) {
    each_block(rows, begin, count, [&](int64_t first, int64_t n) {
      const int64_t at = first * rows.c;
      scaled({n, rows.c}, y + at, scale, shift, added ? added + at : nullptr, least, z + at);
    });
  });
}

NormBackward::NormBackward(Rows rows, const Norm& norm)
    : rows_(rows),
      norm_(norm),
      sums_(room(rows)),
      products_(room(rows)),
      ones_(static_cast<size_t>(rows.block * rows.c), 1.0f) {}

void NormBackward::add(int64_t first, int64_t n, const float* y, const float* dz, const float* z) {
  each_block(rows_, first, n, [&](int64_t row, int64_t count) {
    const int64_t at = (row - first) * rows_.c, to = row / rows_.block * rows_.c;
    backward_sums({count, rows_.c}, y + at, dz + at, z ? z + at : ones_.data(), norm_.mean, sums_.data() + to,
                  products_.data() + to);
  });
}

void NormBackward::finish(float* d_weight, float* d_bias) {
  const std::vector<double> s = total(sums_, rows_.c), p = total(products_, rows_.c);
  factor_.resize(s.size());
  share_.resize(s.size());
  slope_.resize(s.size());
  for (size_t k = 0; k < s.size(); ++k) {
    const double inverse = static_cast<double>(norm_.inverse_deviation[k]), n = static_cast<double>(rows_.n);
    d_bias[k] = static_cast<float>(s[k]);
    d_weight[k] = static_cast<float>(p[k] * inverse);
    factor_[k] = norm_.weight[k] * norm_.inverse_deviation[k];
    share_[k] = static_cast<float>(s[k] / n);
    slope_[k] = static_cast<float>(p[k] * inverse * inverse / n);
  }
}

void NormBackward::through(int64_t n, const float* y, const float* dz, const float* z, float* dy, float* d_added) const {
  each_block(rows_, 0, n, [&](int64_t row, int64_t count) {
    const int64_t at = row * rows_.c;
    values_through({count, rows_.c}, y + at, dz + at, z ? z + at : ones_.data(), norm_.mean, factor_.data(), share_.data(),
                   slope_.data(), dy + at, d_added ? d_added + at : nullptr);
  });
}

void norm_backward(Rows rows, const float* y, const float* dz, const float* z, const Norm& norm, float* dy, float* d_weight,
                   float* d_bias, float* d_added) {
  NormBackward backward(rows, norm);
  const auto at = [&](const float* t, int64_t row) { return t ? t + row * rows.c : nullptr; };
  each_range(rows, [&](int64_t first, int64_t n) { backward.add(first, n, at(y, first), at(dz, first), at(z, first)); });
  backward.finish(d_weight, d_bias);
  each_range(rows, [&](int64_t first, int64_t n) {
    backward.through(n, at(y, first), at(dz, first), at(z, first), dy + first * rows.c,
                     d_added ? d_added + first * rows.c : nullptr);
  });
}

}  // namespace tacet
