// See batch_norm.h. Channels are taken 16 at a time, so that their sums stay in registers.
#include "kernels/convolution/batch_norm.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include <ATen/Parallel.h>

#include "base/multiversion.h"

namespace tacet {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kBlock = 4096;  // values in a block: its tensors fit into the first cache

int64_t blocks(Rows rows) { return (rows.n + rows.block - 1) / rows.block; }

// The fewest rows whose values together are full groups of lanes: taken as one row, few channels cost what many do.
int64_t rows_to_fill(int64_t c) { return kLanes / std::gcd(c, kLanes); }
Rows widened(Rows rows) {
  const int64_t c = rows.c * rows_to_fill(rows.c);
  return {rows.n / rows_to_fill(rows.c), c, std::max<int64_t>(1, kBlock / c)};
}
std::vector<float> widened(const float* channels, int64_t c) {
  std::vector<float> all(static_cast<size_t>(c * rows_to_fill(c)));
  for (size_t k = 0; k < all.size(); ++k) all[k] = channels[k % static_cast<size_t>(c)];
  return all;
}

// f(first row, rows) for the blocks of a range.
template <typename F>
void each_block(Rows rows, int64_t first, int64_t n, const F& f) {
  for (int64_t row = first; row < first + n; row += rows.block) f(row, std::min(rows.block, first + n - row));
}

// 16 channels of a row. A vector in the compiler's own terms: it makes of it what each instruction set has.
using Wide [[gnu::vector_size(64), gnu::aligned(4), gnu::may_alias]] = float;

const Wide& at(const float* x) { return *reinterpret_cast<const Wide*>(x); }
Wide& at(float* x) { return *reinterpret_cast<Wide*>(x); }

// f(first channel, channels) for 16 channels at a time: `whole` where there are as many, `part` for what is left of them.
template <typename Whole, typename Part>
[[gnu::always_inline]] inline void each_lanes(int64_t channels, const Whole& whole, const Part& part) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) whole(c);
  if (c < channels) part(c);
}

TACET_MULTIVERSION void sums(Rows rows, const float* __restrict y, float* __restrict sum) {
  each_lanes(
      rows.c,
      [&](int64_t c) {
        Wide s[4] = {};  // additions that need not wait for each other
        int64_t r = 0;
        for (; r + 4 <= rows.n; r += 4)
          for (int64_t i = 0; i < 4; ++i) s[i] += at(y + (r + i) * rows.c + c);
        for (; r < rows.n; ++r) s[0] += at(y + r * rows.c + c);
        at(sum + c) = (s[0] + s[1]) + (s[2] + s[3]);
      },
      [&](int64_t c) {
        std::fill(sum + c, sum + rows.c, 0.0f);
        for (int64_t r = 0; r < rows.n; ++r)
          for (int64_t k = c; k < rows.c; ++k) sum[k] += y[r * rows.c + k];
      });
}

TACET_MULTIVERSION void squares(Rows rows, const float* __restrict y, const float* __restrict mean, float* __restrict sum) {
  each_lanes(
      rows.c,
      [&](int64_t c) {
        const Wide m = at(mean + c);
        Wide s[4] = {};
        int64_t r = 0;
        for (; r + 4 <= rows.n; r += 4)
          for (int64_t i = 0; i < 4; ++i) {
            const Wide apart = at(y + (r + i) * rows.c + c) - m;
            s[i] += apart * apart;
          }
        for (; r < rows.n; ++r) {
          const Wide apart = at(y + r * rows.c + c) - m;
          s[0] += apart * apart;
        }
        at(sum + c) = (s[0] + s[1]) + (s[2] + s[3]);
      },
      [&](int64_t c) {
        std::fill(sum + c, sum + rows.c, 0.0f);
        for (int64_t r = 0; r < rows.n; ++r)
          for (int64_t k = c; k < rows.c; ++k) sum[k] += (y[r * rows.c + k] - mean[k]) * (y[r * rows.c + k] - mean[k]);
      });
}

TACET_MULTIVERSION void scaled(Rows rows, const float* __restrict y, const float* __restrict scale,
                               const float* __restrict shift, const float* __restrict added, float least,
                               float* __restrict z) {
  const int64_t end = rows.n * rows.c;
  each_lanes(
      rows.c,
      [&](int64_t c) {
        const Wide a = at(scale + c), b = at(shift + c), floor = least - Wide{};
        if (added)
          for (int64_t k = c; k < end; k += rows.c) {
            const Wide v = (a * at(y + k) + b) + at(added + k);
            at(z + k) = v < floor ? floor : v;  // NaN stays
          }
        else
          for (int64_t k = c; k < end; k += rows.c) {
            const Wide v = a * at(y + k) + b;
            at(z + k) = v < floor ? floor : v;
          }
      },
      [&](int64_t c) {
        for (int64_t k = 0; k < end; k += rows.c)
          for (int64_t i = c; i < rows.c; ++i) {
            const float v = (scale[i] * y[k + i] + shift[i]) + (added ? added[k + i] : 0.0f);
            z[k + i] = v < least ? least : v;
          }
      });
}

// The sums of d = dz where ReLU let it through and of d·(y − mean).
TACET_MULTIVERSION void backward_sums(Rows rows, const float* __restrict y, const float* __restrict dz,
                                      const float* __restrict z, const float* __restrict mean, float* __restrict sum,
                                      float* __restrict product) {
  const int64_t end = rows.n * rows.c;
  each_lanes(
      rows.c,
      [&](int64_t c) {
        const Wide m = at(mean + c), zero = {};
        Wide s = {}, p = {};
        for (int64_t k = c; k < end; k += rows.c) {
          const Wide d = at(z + k) > zero ? at(dz + k) : zero;
          s += d;
          p += d * (at(y + k) - m);
        }
        at(sum + c) = s;
        at(product + c) = p;
      },
      [&](int64_t c) {
        std::fill(sum + c, sum + rows.c, 0.0f);
        std::fill(product + c, product + rows.c, 0.0f);
        for (int64_t k = 0; k < end; k += rows.c)
          for (int64_t i = c; i < rows.c; ++i) {
            const float d = z[k + i] > 0 ? dz[k + i] : 0.0f;
            sum[i] += d;
            product[i] += d * (y[k + i] - mean[i]);
          }
      });
}

// dy = a·(d − u − (y − mean)·v) for each channel, and d itself where d_added is not null.
TACET_MULTIVERSION void values_through(Rows rows, const float* __restrict y, const float* __restrict dz,
                                       const float* __restrict z, const float* __restrict mean, const float* __restrict a,
                                       const float* __restrict u, const float* __restrict v, float* __restrict dy,
                                       float* __restrict d_added) {
  const int64_t end = rows.n * rows.c;
  each_lanes(
      rows.c,
      [&](int64_t c) {
        const Wide m = at(mean + c), factor = at(a + c), share = at(u + c), slope = at(v + c), zero = {};
        for (int64_t k = c; k < end; k += rows.c) {
          const Wide d = at(z + k) > zero ? at(dz + k) : zero;
          at(dy + k) = factor * ((d - share) - (at(y + k) - m) * slope);
          if (d_added) at(d_added + k) = d;
        }
      },
      [&](int64_t c) {
        for (int64_t k = 0; k < end; k += rows.c)
          for (int64_t i = c; i < rows.c; ++i) {
            const float d = z[k + i] > 0 ? dz[k + i] : 0.0f;
            dy[k + i] = a[i] * ((d - u[i]) - (y[k + i] - mean[i]) * v[i]);
            if (d_added) d_added[k + i] = d;
          }
      });
}

// dy = dz where ReLU let it through, and its sums.
TACET_MULTIVERSION void masked_sums(Rows rows, const float* __restrict dz, const float* __restrict z, float* __restrict dy,
                                    float* __restrict sum) {
  const int64_t end = rows.n * rows.c;
  each_lanes(
      rows.c,
      [&](int64_t c) {
        const Wide zero = {};
        Wide s = {};
        for (int64_t k = c; k < end; k += rows.c) {
          const Wide d = at(z + k) > zero ? at(dz + k) : zero;
          at(dy + k) = d;
          s += d;
        }
        at(sum + c) = s;
      },
      [&](int64_t c) {
        std::fill(sum + c, sum + rows.c, 0.0f);
        for (int64_t k = 0; k < end; k += rows.c)
          for (int64_t i = c; i < rows.c; ++i) {
            dy[k + i] = z[k + i] > 0 ? dz[k + i] : 0.0f;
            sum[i] += dy[k + i];
          }
      });
}

// Every block's c values, added up in order.
std::vector<double> total(const std::vector<float>& parts, int64_t c) {
  const auto channels = static_cast<size_t>(c);
  std::vector<double> sum(channels, 0.0);
  for (size_t block = 0; block < parts.size(); block += channels)
    for (size_t k = 0; k < channels; ++k) sum[k] += static_cast<double>(parts[block + k]);
  return sum;
}

size_t room(Rows rows) { return static_cast<size_t>(blocks(rows) * rows.c); }

}  // namespace

Rows rows_of_images(int64_t images, int64_t height, int64_t width, int64_t c) {
  int64_t lines = std::clamp<int64_t>(kBlock / c / width, 1, height);
  while (height % lines != 0) --lines;
  return {images * height * width, c, lines * width};
}

void each_range(Rows rows, const std::function<void(int64_t, int64_t)>& f) {
  at::parallel_for(0, blocks(rows), 1, [&](int64_t begin, int64_t end) {
    f(begin * rows.block, std::min(end * rows.block, rows.n) - begin * rows.block);
  });
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
  std::vector<double> m(static_cast<size_t>(rows_.c), 0.0), s = m;
  for (int64_t b = 0; b < blocks(rows_); ++b) {
    const auto n = static_cast<double>(std::min(rows_.block, rows_.n - b * rows_.block)),
               count = static_cast<double>(b * rows_.block), share = n / (n + count);
    for (size_t k = 0, at = static_cast<size_t>(b * rows_.c); k < m.size(); ++k, ++at) {
      const double apart = static_cast<double>(means_[at]) - m[k];
      s[k] += static_cast<double>(squares_[at]) + apart * apart * (count * share);
      m[k] += apart * share;
    }
  }
  for (size_t k = 0; k < m.size(); ++k) {
    mean[k] = static_cast<float>(m[k]);
    variance[k] = static_cast<float>(s[k] / static_cast<double>(rows_.n));
  }
}

void scale_shift(Rows rows, const float* y, const float* scale, const float* shift, const float* added, bool relu,
                 float* z) {
  const float least = relu ? 0.0f : -std::numeric_limits<float>::infinity();
  const auto all = [&](Rows of, const float* a, const float* b, int64_t from) {
    each_range(of, [&](int64_t begin, int64_t count) {
      each_block(of, begin, count, [&](int64_t first, int64_t n) {
        const int64_t at = from + first * of.c;
        scaled({n, of.c}, y + at, a, b, added ? added + at : nullptr, least, z + at);
      });
    });
  };
  const int64_t fill = rows_to_fill(rows.c), rest = rows.n % fill;
  if (fill == 1) return all(rows, scale, shift, 0);
  all(widened(rows), widened(scale, rows.c).data(), widened(shift, rows.c).data(), 0);
  all({rest, rows.c, fill}, scale, shift, (rows.n - rest) * rows.c);
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

void bias_backward(Rows rows, const float* dz, const float* z, float* dy, float* d_bias) {
  const auto part = [&](Rows of, int64_t at, float* sum) {
    if (z)
      masked_sums(of, dz + at, z + at, dy + at, sum);
    else
      sums(of, dz + at, sum);
  };
  const Rows wide = widened(rows);
  const int64_t rest = rows.n % rows_to_fill(rows.c);
  std::vector<float> parts(room(wide) + static_cast<size_t>(rows.c));
  each_range(wide, [&](int64_t begin, int64_t count) {
    each_block(wide, begin, count, [&](int64_t first, int64_t n) {
      part({n, wide.c}, first * wide.c, parts.data() + first / wide.block * wide.c);
    });
  });
  part({rest, rows.c}, (rows.n - rest) * rows.c, parts.data() + room(wide));
  const std::vector<double> sum = total(parts, rows.c);
  std::transform(sum.begin(), sum.end(), d_bias, [](double v) { return static_cast<float>(v); });
}

}  // namespace tacet
