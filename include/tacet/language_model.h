// Language models: the interface that the task "language-model" trains, for recurrent networks with carried state and for
// transformers without any. A network of one's own derives from LanguageModel and is registered with add_model
// (registry.h). tacet's networks are in src/models/text.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include "tacet/objective.h"
#include "tacet/options.h"
#include "tacet/precision.h"

namespace tacet {

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  // Returns the module that holds the parameters.
  virtual torch::nn::Module& module() = 0;

  // The tensors carried from a batch to the next one of the same streams; empty where nothing is carried.
  using State = std::vector<at::Tensor>;
  // Returns the state before the first batch of `batch` streams.
  virtual State zero_state(int64_t batch) const = 0;

  struct Loss {
    at::Tensor cross_entropy;  // mean over the targets
    at::Tensor objective;      // the scalar to differentiate: the cross-entropy with the model's own penalties
  };
  // Returns the loss of input [T, B] int64 with target [T·B] int64, t major. Replaces `state` by the state after the
  // sequence, detached from the graph. A null `draw` means evaluation, without dropout and penalties.
  virtual Loss loss(const at::Tensor& input, const at::Tensor& target, State& state, const BatchKey* draw) = 0;

  // Returns the largest T that the model takes; 0 means any.
  virtual int64_t context() const { return 0; }
};

// Makes the language model that model.name names from the checked keys of [model]. Its weights are drawn from `seed` alone.
// Throws UserError when sizes do not fit.
std::unique_ptr<LanguageModel> make_language_model(const Values& model, int64_t vocabulary, uint64_t seed,
                                                   Precision precision = Precision::f32);

}  // namespace tacet
