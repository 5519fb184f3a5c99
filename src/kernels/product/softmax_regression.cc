// See softmax_regression.h.
#include "kernels/product/softmax_regression.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/multiversion.h"

namespace tacet {
namespace {

// Σ a[i]·b[i] in 32 lanes, which are added up in order.
TACET_MULTIVERSION float dot(const float* a, const float* b, int64_t n) {
  float lane[32] = {};
  int64_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (int j = 0; j < 32; ++j) lane[j] += a[i + j] * b[i + j];
  float sum = 0;
  for (const float s : lane) sum += s;
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

TACET_MULTIVERSION void add_scaled(float* out, float a, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] += a * x[i];
}

// Returns true if the label's score is the first of the largest ones.
bool is_right(const float* scores, int64_t classes, int64_t label) {
  return std::max_element(scores, scores + classes) - scores == label;
}

// scores → (softmax − one-hot of the label) / batch; returns −log softmax of the label.
double loss_and_slope(float* scores, int64_t classes, int64_t label, int64_t batch) {
  const float most = *std::max_element(scores, scores + classes);
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(scores[c] - most));
  const double loss = std::log(sum) - static_cast<double>(scores[label] - most);
  for (int64_t c = 0; c < classes; ++c) {
    const double p = std::exp(static_cast<double>(scores[c] - most)) / sum;
    scores[c] = static_cast<float>((p - (c == label ? 1 : 0)) / static_cast<double>(batch));
  }
  return loss;
}

}  // namespace

double softmax_regression(const LabelledBatch& data, int64_t classes, const float* w, const float* b, float* dw, float* db,
                          int64_t* correct) {
  const int64_t n = data.inputs;
  std::fill(dw, dw + classes * n, 0.0f);
  std::fill(db, db + classes, 0.0f);
  std::vector<float> slope(static_cast<size_t>(classes));
  double loss = 0;
  for (int64_t k = 0; k < data.batch; ++k) {
    const float* x = data.x + k * n;
    for (int64_t c = 0; c < classes; ++c) slope[static_cast<size_t>(c)] = dot(x, w + c * n, n) + b[c];
    if (correct) *correct += is_right(slope.data(), classes, data.labels[k]);
    loss += loss_and_slope(slope.data(), classes, data.labels[k], data.batch);
    for (int64_t c = 0; c < classes; ++c) {
      add_scaled(dw + c * n, slope[static_cast<size_t>(c)], x, n);
      db[c] += slope[static_cast<size_t>(c)];
    }
  }
  return loss / static_cast<double>(data.batch);
}

}  // namespace tacet
