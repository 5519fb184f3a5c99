// See attention.h.
#include "models/text/attention.h"

#include <cmath>
#include <limits>

#include <torch/types.h>

namespace tacet {

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads, const at::Tensor& mask,
                     Dropout& dropout, double p) {
  const int64_t width = q.size(2) / heads;
  const auto split = [&](const at::Tensor& x) { return x.view({x.size(0), x.size(1), heads, width}).transpose(1, 2); };
  at::Tensor scores = torch::matmul(split(q), split(k).transpose(2, 3)) / std::sqrt(static_cast<double>(width));
  if (mask.defined()) scores = scores + mask;
  const at::Tensor weights = dropout(torch::softmax(scores, 3), p);
  return torch::matmul(weights, split(v)).transpose(1, 2).reshape(q.sizes());
}

at::Tensor causal_mask(int64_t T) {
  return torch::full({T, T}, -std::numeric_limits<float>::infinity()).triu(1).view({1, 1, T, T});
}

}  // namespace tacet
