// Softmax regression of a mini-batch in one go: mean cross-entropy and its gradient, without autograd, whose overhead is
// most of a step of so small a model. The naive twin is a linear layer and torch's cross_entropy_loss (tests/kernels).
#pragma once

#include <cstdint>

namespace tacet {

// One mini-batch: x [batch, inputs] and labels [batch], each 0 … classes − 1.
struct LabelledBatch {
  const float* x;
  const int64_t* labels;
  int64_t batch, inputs;
};

// Weights w [classes, inputs] and b [classes]. Writes the gradient of the mean cross-entropy into dw and db (shaped alike)
// and returns the loss. Adds the number of samples whose largest score is their label's to `correct`, where that is given.
// Runs on the calling thread; the same bits on every processor of one kind.
double softmax_regression(const LabelledBatch& data, int64_t classes, const float* w, const float* b, float* dw, float* db,
                          int64_t* correct = nullptr);

}  // namespace tacet
