// The inner kernels, which know no torch, under AddressSanitizer and UndefinedBehaviorSanitizer: every array is a block of
// its own of exactly the size that the header asks for, so a read or write beside it ends the program. Values are compared
// with loops that follow the definitions; how exact they are is for the other tests of this folder to say.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/convolution/batch_norm.h"
#include "kernels/convolution/winograd.h"
#include "kernels/product/panels.h"
#include "kernels/product/softmax_regression.h"
#include "kernels/product/weight_order.h"
#include "kernels/recurrent/cells.h"

namespace tacet {
namespace {

using Floats = std::vector<float>;

// Returns n numbers in [−1, 1), other ones for another seed.
Floats numbers(int64_t n, uint32_t seed) {
  Floats all(static_cast<size_t>(n));
  for (float& x : all) {
    seed = seed * 1664525u + 1013904223u;
    x = static_cast<float>(seed >> 8) / 8388608.0f - 1;
  }
  return all;
}

void expect_near(const Floats& got, const Floats& want, const char* what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t k = 0; k < got.size(); ++k) ASSERT_NEAR(got[k], want[k], 1e-3) << what << ", number " << k;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Widths around the width of a register, and one that is no multiple of anything.
constexpr int64_t widths[] = {1, 7, 15, 16, 17, 33, 100};

// The weights of convolutions in blocks of 16 × 16, and a transposed matrix in plain rows.
TEST(Sanitized, WeightsThereAndBack) {
  struct Case {
    Dims sizes, strides;
    BlockOrder order;
  };
  const Case cases[] = {{{20, 3, 5, 5}, {75, 25, 5, 1}, {{32, 16, 5, 5}, {6400, 6400, 1280, 256}, {{1, 16}, {0, 16}}}},
                        {{33, 70, 1, 1}, {1, 33, 0, 0}, {{33, 70, 1, 1}, {70, 1, 0, 0}, {}}}};
  for (const Case& c : cases) {
    const Floats plain = numbers(c.sizes[0] * c.sizes[1] * c.sizes[2] * c.sizes[3], 1);
    Floats packed(static_cast<size_t>(c.order.values())), back(plain.size());
    std::vector<uint16_t> rounded(packed.size());
    const WeightOrder way(c.sizes, c.strides, c.order);
    way.pack(plain.data(), packed.data());
    way.pack(plain.data(), rounded.data());
    way.unpack(packed.data(), back.data());
    expect_near(back, plain, "weights");
  }
}

TEST(Sanitized, LstmStepsThereAndBack) {
  for (const int64_t h : widths) {
    Floats gates = numbers(4 * h, 1), c(static_cast<size_t>(h)), out = c, want = c, d_sums = numbers(4 * h, 2);
    const Floats sums = gates, bias = numbers(4 * h, 3), before = numbers(h, 4), dh = numbers(h, 5);
    lstm_step(h, gates.data(), bias.data(), before.data(), c.data(), out.data());
    for (int64_t k = 0; k < h; ++k) {
      const auto sum = [&](int64_t gate) { return static_cast<double>(sums[gate * h + k]) + bias[gate * h + k]; };
      const double next = sigmoid(sum(1)) * before[k] + sigmoid(sum(0)) * std::tanh(sum(2));
      want[k] = static_cast<float>(sigmoid(sum(3)) * std::tanh(next));
    }
    expect_near(out, want, "h");
    Floats dc(static_cast<size_t>(h), 0.0f);
    lstm_step_backward(h, gates.data(), before.data(), c.data(), dh.data(), dc.data(), d_sums.data());
    for (int64_t k = 0; k < h; ++k)  // the output gate's
      ASSERT_NEAR(d_sums[3 * h + k], dh[k] * std::tanh(c[k]) * gates[3 * h + k] * (1 - gates[3 * h + k]), 1e-4);
  }
}

TEST(Sanitized, GruAndRnnStepsThereAndBack) {
  for (const int64_t h : widths) {
    Floats gates = numbers(3 * h, 1), fresh(static_cast<size_t>(h)), out = fresh, want = fresh;
    const Floats sums = gates, b_ih = numbers(3 * h, 2), state = numbers(3 * h, 3), b_hh = numbers(3 * h, 4);
    const Floats before = numbers(h, 5);
    gru_step(h, gates.data(), b_ih.data(), state.data(), b_hh.data(), before.data(), fresh.data(), out.data());
    for (int64_t k = 0; k < h; ++k) {
      const auto own = [&](int64_t gate) { return static_cast<double>(sums[gate * h + k]) + b_ih[gate * h + k]; };
      const auto carried = [&](int64_t gate) { return static_cast<double>(state[gate * h + k]) + b_hh[gate * h + k]; };
      const double z = sigmoid(own(1) + carried(1));
      const double n = std::tanh(own(2) + sigmoid(own(0) + carried(0)) * carried(2));
      want[k] = static_cast<float>((1 - z) * n + z * before[k]);
    }
    expect_near(out, want, "h of a GRU");
    Floats dh = numbers(h, 6), d_sums(static_cast<size_t>(3 * h)), d_state = d_sums;
    gru_step_backward(h, gates.data(), fresh.data(), before.data(), dh.data(), d_sums.data(), d_state.data());
    const Floats bias = numbers(h, 7);
    Floats x = numbers(h, 8), d(static_cast<size_t>(h));
    for (int64_t k = 0; k < h; ++k) want[k] = std::tanh(x[k] + bias[k]);
    rnn_step(h, x.data(), bias.data());
    expect_near(x, want, "h of an RNN");
    rnn_step_backward(h, x.data(), dh.data(), d.data());
    for (int64_t k = 0; k < h; ++k) want[k] = dh[k] * (1 - x[k] * x[k]);
    expect_near(d, want, "gradient of an RNN's sum");
  }
}

TEST(Sanitized, EntropyOfARow) {
  for (const int64_t n : widths) {
    Floats scores = numbers(n, 1);
    const Floats given = scores, bias = numbers(n, 2);
    double total = 0;
    for (int64_t k = 0; k < n; ++k) total += std::exp(static_cast<double>(given[k]) + bias[k]);
    ASSERT_NEAR(entropy_row(n, scores.data(), bias.data(), n - 1, 1), std::log(total) - given[n - 1] - bias[n - 1], 1e-4);
    ASSERT_NEAR(scores[n - 1], std::exp(static_cast<double>(given[n - 1]) + bias[n - 1]) / total - 1, 1e-4);
    scores = given;
    entropy_row(n, scores.data(), nullptr, 0, 0.5f);
  }
}

TEST(Sanitized, SoftmaxRegression) {
  for (const int64_t inputs : widths)
    for (const int64_t batch : {1, 5}) {
      const int64_t classes = 3;
      const Floats x = numbers(batch * inputs, 1), w = numbers(classes * inputs, 2), b = numbers(classes, 3);
      std::vector<int64_t> labels;
      for (int64_t i = 0; i < batch; ++i) labels.push_back(i % classes);
      Floats dw(w.size()), db(b.size());
      const double loss =
          softmax_regression({x.data(), labels.data(), batch, inputs}, classes, w.data(), b.data(), dw.data(), db.data());
      double want = 0;
      for (int64_t i = 0; i < batch; ++i) {
        double total = 0, right = 0;
        for (int64_t c = 0; c < classes; ++c) {
          double score = b[c];
          for (int64_t k = 0; k < inputs; ++k) score += static_cast<double>(w[c * inputs + k]) * x[i * inputs + k];
          total += std::exp(score);
          if (c == labels[i]) right = score;
        }
        want += (std::log(total) - right) / static_cast<double>(batch);
      }
      ASSERT_NEAR(loss, want, 1e-4) << inputs << " inputs";
    }
}

TEST(Sanitized, ProductsWithPanels) {
  if (!has_panels(false)) GTEST_SKIP() << "this processor has no AVX-512";
  for (const int64_t k : {1, 17, 64})
    for (const int64_t n : {1, 63, 64, 130})
      for (const int64_t rows : {1, 6, 13})
        for (const bool sparse : {false, true}) {
          const Floats a = numbers(rows * k, 1);
          Floats b = numbers(k * n, 2), y = numbers(rows * n, 3), want = y;
          if (sparse)
            for (size_t at = 0; at < b.size(); ++at)
              if (at % 3 != 0) b[at] = 0;
          for (int64_t r = 0; r < rows; ++r)
            for (int64_t c = 0; c < n; ++c)
              for (int64_t i = 0; i < k; ++i) want[r * n + c] += a[r * k + i] * b[i * n + c];
          Floats panels(static_cast<size_t>(panel_floats(k, n)));
          std::vector<uint64_t> lines(static_cast<size_t>(panel_lines(k, n)));
          const bool kept = pack_panels({b.data(), n, 1}, k, n, panels.data(), sparse ? lines.data() : nullptr);
          multiply_panels(a.data(), rows, {panels.data(), k, n, false, kept ? lines.data() : nullptr}, y.data(), true,
                          sparse);
          expect_near(y, want, "y + a · b");
        }
}

TEST(Sanitized, WinogradsConvolutionsThereAndBack) {
  for (const auto& [height, width] : {std::pair{1, 1}, {2, 3}, {5, 4}, {8, 8}}) {
    const Conv3x3 s{height, width, 16, 32};
    if (!s.fits()) GTEST_SKIP() << "this processor has no AVX-512";
    const int64_t images = 2, pixels = s.height * s.width;
    const Floats x = numbers(images * pixels * s.in, 1), w = numbers(s.out * s.in * 9, 2);
    Floats packed(static_cast<size_t>(s.weights())), y(static_cast<size_t>(images * pixels * s.out)), want = y;
    Floats dw(w.size()), want_dw = dw;
    const Floats dy = numbers(images * pixels * s.out, 3);
    const auto each = [&](const auto& f) {  // f(x's index, w's index, y's index)
      for (int64_t i = 0; i < images * pixels; ++i)
        for (int64_t at = 0; at < 9; ++at) {
          const int64_t row = i % pixels / s.width + at / 3 - 1, column = i % s.width + at % 3 - 1;
          if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
          const int64_t from = i / pixels * pixels + row * s.width + column;
          for (int64_t o = 0; o < s.out; ++o)
            for (int64_t k = 0; k < s.in; ++k) f(from * s.in + k, (o * s.in + k) * 9 + at, i * s.out + o);
        }
    };
    each([&](int64_t at_x, int64_t at_w, int64_t at_y) {
      want[at_y] += x[at_x] * w[at_w];
      want_dw[at_w] += x[at_x] * dy[at_y];
    });
    pack_weights(s, w.data(), 0, s.out, packed.data());
    convolve(s, x.data(), images, packed.data(), y.data(), false);
    expect_near(y, want, "y");
    Floats sum(static_cast<size_t>(s.weights()), 0.0f), dx(x.size());
    add_weights_gradient(s, x.data(), dy.data(), images, 0, s.out, sum.data());
    unpack_gradient(s, sum.data(), 1, 0, s.out, dw.data());
    expect_near(dw, want_dw, "dw");
    pack_turned_weights(s, w.data(), 0, s.in, packed.data());
    convolve(s.turned(), dy.data(), images, packed.data(), dx.data(), false);
  }
}

TEST(Sanitized, BatchNormalisationThereAndBack) {
  for (const int64_t c : widths) {
    const Rows rows = rows_of_images(3, 5, 4, c);
    const Floats y = numbers(rows.n * c, 1), dz = numbers(rows.n * c, 2), weight = numbers(c, 3), bias = numbers(c, 4);
    Floats mean(static_cast<size_t>(c)), variance = mean, scale(mean.size(), 2.0f), want(mean.size());
    Moments moments(rows);
    each_range(rows, [&](int64_t first, int64_t n) { moments.add(first, n, y.data() + first * c); });
    moments.finish(mean.data(), variance.data());
    for (int64_t k = 0; k < rows.n * c; ++k) want[k % c] += y[k] / static_cast<float>(rows.n);
    expect_near(mean, want, "mean");
    Floats z(y.size()), dy = z, d_added = z, d_weight = mean, d_bias = mean;
    scale_shift(rows, y.data(), scale.data(), bias.data(), dz.data(), true, z.data());
    for (int64_t k = 0; k < rows.n * c; ++k) ASSERT_NEAR(z[k], std::max(0.0f, 2 * y[k] + bias[k % c] + dz[k]), 1e-5);
    norm_backward(rows, y.data(), dz.data(), z.data(), {mean.data(), scale.data(), weight.data()}, dy.data(),
                  d_weight.data(), d_bias.data(), d_added.data());
    bias_backward(rows, dz.data(), z.data(), dy.data(), d_bias.data());
    for (int64_t k = 0; k < rows.n * c; ++k) ASSERT_EQ(dy[k], z[k] > 0 ? dz[k] : 0);
  }
}

}  // namespace
}  // namespace tacet
