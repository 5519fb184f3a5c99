// See awd_lstm.h. Names and shapes of the parameters: encoder.weight [V, E]; rnns.L.weight_ih [G·H, in], rnns.L.weight_hh
// [G·H, H], rnns.L.bias_ih, rnns.L.bias_hh [G·H], G = 4 for LSTM and 3 for GRU; decoder.bias [V]; decoder.weight [V, E] only
// when not tied.
#include "models/text/awd_lstm.h"

#include <cmath>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "kernels/product/linear.h"
#include "kernels/recurrent/lstm.h"
#include "kernels/recurrent/weight_drop.h"
#include "models/weights.h"

namespace tacet {
namespace {

// The same mask at every time step of x [T, B, width].
torch::Tensor locked_dropout(const torch::Tensor& x, double p, const Stream& stream) {
  return p == 0 ? x : x * mask({1, x.size(1), x.size(2)}, p, stream);
}

}  // namespace

AwdLstmOptions awd_lstm_options(const Values& m, int64_t vocabulary) {
  return {.vocabulary = vocabulary,
          .cell = m.text("name") == "awd-gru" ? Cell::gru : Cell::lstm,
          .layers = m.integer("layers"),
          .embedding = m.integer("embedding"),
          .hidden = m.integer("hidden"),
          .tied = m.flag("tied"),
          .output_dropout = m.number("output_dropout"),
          .hidden_dropout = m.number("hidden_dropout"),
          .input_dropout = m.number("input_dropout"),
          .embedding_dropout = m.number("embedding_dropout"),
          .weight_drop = m.number("weight_drop"),
          .weight_drop_rows = m.text("weight_drop_mask") == "row",
          .alpha = m.number("alpha"),
          .beta = m.number("beta"),
          .init_range = m.number("init_range")};
}

AwdLstm::AwdLstm(const AwdLstmOptions& options, const Stream& weights) : o_(options) {
  encoder_ = named(*this, "encoder", "weight", uniform({o_.vocabulary, o_.embedding}, o_.init_range, weights.part(0)));
  const auto rnns = register_module("rnns", std::make_shared<torch::nn::Module>("rnns"));
  for (int64_t l = 0; l < o_.layers; ++l) {
    const int64_t in = l == 0 ? o_.embedding : o_.hidden, width = l == o_.layers - 1 ? o_.embedding : o_.hidden;
    const double range = 1 / std::sqrt(static_cast<double>(width));
    const std::string child = std::to_string(l);
    const int64_t rows = gates(o_.cell) * width;
    const int part = static_cast<int>(4 * l) + 4;
    Layer layer;
    layer.w_ih = named(*rnns, child, "weight_ih", uniform({rows, in}, range, weights.part(part)));
    layer.w_hh = named(*rnns, child, "weight_hh", uniform({rows, width}, range, weights.part(part + 1)));
    layer.b_ih = named(*rnns, child, "bias_ih", uniform({rows}, range, weights.part(part + 2)));
    layer.b_hh = named(*rnns, child, "bias_hh", uniform({rows}, range, weights.part(part + 3)));
    rnns_.push_back(layer);
  }
  decoder_bias_ = named(*this, "decoder", "bias", torch::zeros({o_.vocabulary}));
  if (!o_.tied)
    decoder_weight_ =
        named(*this, "decoder", "weight", uniform({o_.vocabulary, o_.embedding}, o_.init_range, weights.part(1)));
}

std::vector<LstmState> AwdLstm::zero_state(int64_t batch) const {
  std::vector<LstmState> state;
  for (const Layer& layer : rnns_) {
    const auto zeros = [&] { return torch::zeros({batch, layer.w_hh.size(1)}); };
    state.push_back({zeros(), o_.cell == Cell::lstm ? zeros() : torch::Tensor()});
  }
  return state;
}

AwdLstm::Loss AwdLstm::loss(const torch::Tensor& input, const torch::Tensor& target, std::vector<LstmState>& state,
                            const Draws* draws) {
  torch::Tensor words = encoder_;
  if (draws && o_.embedding_dropout > 0) words = words * mask({o_.vocabulary, 1}, o_.embedding_dropout, draws->embedding);
  torch::Tensor x = torch::embedding(words, input);
  if (draws) x = locked_dropout(x, o_.input_dropout, draws->input);

  torch::Tensor raw;
  for (size_t l = 0; l < rnns_.size(); ++l) {
    const Layer& layer = rnns_[l];
    torch::Tensor w_hh = layer.w_hh;
    if (draws && o_.weight_drop > 0) {
      const Stream draw = draws->weights.part(static_cast<int>(l));
      w_hh = o_.weight_drop_rows ? w_hh * mask({w_hh.size(0), 1}, o_.weight_drop, draw)
                                 : weight_drop(w_hh, o_.weight_drop, draw);
    }
    if (o_.cell == Cell::lstm) {
      const LstmOutput out = lstm_layer(x, state[l].h, state[l].c, layer.w_ih, w_hh, layer.b_ih, layer.b_hh, o_.precision);
      state[l] = {out.h.detach(), out.c.detach()};
      x = raw = out.output;
    } else {
      const GruOutput out = gru_layer(x, state[l].h, {layer.w_ih, w_hh, layer.b_ih, layer.b_hh}, o_.precision);
      state[l].h = out.h.detach();
      x = raw = out.output;
    }
    if (draws && l + 1 < rnns_.size()) x = locked_dropout(x, o_.hidden_dropout, draws->hidden.part(static_cast<int>(l)));
  }
  if (draws) x = locked_dropout(x, o_.output_dropout, draws->output);

  const torch::Tensor ce = linear_cross_entropy(x.reshape({-1, o_.embedding}), o_.tied ? encoder_ : decoder_weight_,
                                                decoder_bias_, target, o_.precision);
  torch::Tensor objective = ce;
  if (draws && o_.alpha > 0) objective = objective + o_.alpha * x.pow(2).mean();
  if (draws && o_.beta > 0 && raw.size(0) > 1)
    objective = objective + o_.beta * (raw.narrow(0, 1, raw.size(0) - 1) - raw.narrow(0, 0, raw.size(0) - 1)).pow(2).mean();
  return {ce, objective};
}

}  // namespace tacet
