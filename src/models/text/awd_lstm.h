// AWD-LSTM language model: Merity, Keskar, Socher, "Regularizing and Optimizing LSTM Language Models", ICLR 2018, and
// AWD-GRU, the same network on GRU layers. Tied weights, weight drop, locked dropout, embedding dropout, activation and
// temporal activation regularisation. NT-ASGD, the paper's other half, is an evaluation policy and lives in src/train. All
// masks come from the client's streams.
#pragma once

#include <vector>

#include <torch/nn/module.h>

#include "kernels/recurrent/recurrent.h"
#include "tacet/options.h"
#include "tacet/random.h"

namespace tacet {

// Dropout between layers, on the input and on the output has one mask for all time steps ("locked").
struct AwdLstmOptions {
  int64_t vocabulary = 0;  // V
  Cell cell = Cell::lstm;  // or Cell::gru
  int64_t layers = 3;
  int64_t embedding = 400;  // E
  int64_t hidden = 1150;    // H
  bool tied = true;
  double output_dropout = 0.4;
  double hidden_dropout = 0.25;
  double input_dropout = 0.4;
  double embedding_dropout = 0.1;
  double weight_drop = 0.5;
  bool weight_drop_rows = false;  // one draw a row of the recurrent matrix instead of one an element
  double alpha = 2;               // on the dropped last output
  double beta = 1;                // on the raw last output
  double init_range = 0.1;        // encoder (and untied decoder) start uniform in ± this
  Precision precision = Precision::f32;

  // Binds the keys of [model]; the defaults are the members' values.
  void options(OptionList& o);
};

// The carried state of a layer, [B, width] each; a GRU has no c.
struct LstmState {
  torch::Tensor h, c;
};

class AwdLstm : public torch::nn::Module {
 public:
  // Initial weights are drawn from `weights` alone.
  AwdLstm(const AwdLstmOptions& options, const Stream& weights);

  std::vector<LstmState> zero_state(int64_t batch) const;

  // input [T, B] int64, target [T·B] int64, `state` per layer (replaced by the state after the sequence, detached). `draws`:
  // null means evaluation (no dropout, no regularisation). Returns the mean cross-entropy and the objective to
  // differentiate.
  struct Loss {
    torch::Tensor cross_entropy, objective;
  };
  struct Draws {
    Stream embedding, input, hidden, output, weights;
  };
  Loss loss(const torch::Tensor& input, const torch::Tensor& target, std::vector<LstmState>& state, const Draws* draws);

 private:
  struct Layer {
    torch::Tensor w_ih, w_hh, b_ih, b_hh;
  };
  AwdLstmOptions o_;
  torch::Tensor encoder_, decoder_weight_, decoder_bias_;
  std::vector<Layer> rnns_;
};

}  // namespace tacet
