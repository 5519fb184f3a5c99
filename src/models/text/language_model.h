// What the objective of a language-model recipe (src/tasks/language_modelling.cc) asks of a network, so that recurrent
// networks with carried state and transformers without any plug in alike.
#pragma once

#include <memory>
#include <vector>

#include <torch/nn/module.h>

#include "kernels/product/precision.h"
#include "tacet/objective.h"
#include "tacet/options.h"

namespace tacet {

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  virtual torch::nn::Module& module() = 0;

  // What is carried from a batch to the next one of the same streams, before the first; empty: nothing is.
  using State = std::vector<at::Tensor>;
  virtual State zero_state(int64_t batch) const = 0;

  // input [T, B] int64, target [T·B] int64, t major. `state` is replaced by the state after the sequence, without a graph.
  // draw: null means evaluation (no dropout, no regularisation). Returns the mean cross-entropy and what to differentiate.
  struct Loss {
    at::Tensor cross_entropy, objective;
  };
  virtual Loss loss(const at::Tensor& input, const at::Tensor& target, State& state, const BatchKey* draw) = 0;

  virtual int64_t context() const { return 0; }  // the largest T; 0: any
};

// The language model that model.name names, its weights drawn from `seed` alone. Throws UserError when sizes do not fit.
std::unique_ptr<LanguageModel> make_language_model(const Values& model, int64_t vocabulary, uint64_t seed,
                                                   Precision precision = Precision::f32);

}  // namespace tacet
