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
#include "tacet/error.h"
#include "tacet/language_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

// Drops with one mask for all time steps of x [T, B, width].
torch::Tensor locked_dropout(const torch::Tensor& x, double p, const Stream& stream) {
  return p == 0 ? x : x * mask({1, x.size(1), x.size(2)}, p, stream);
}

}  // namespace

void AwdLstmOptions::options(OptionList& o) {
  const Range share{.min = 0, .max = 1, .max_open = true};
  std::string mask = weight_drop_rows ? "row" : "element";
  o.integer("layers", layers, layers, within(1, 256), cell == Cell::gru ? "GRU layers" : "LSTM layers");
  o.integer("embedding", embedding, embedding, within(1, 1e7), "width of the embedding and of the last layer");
  const std::vector<OnlyWith> one_layer = {{"layers", {int64_t{1}}}};
  o.integer("hidden", hidden, hidden, within(1, 1e7), "width of the other layers").not_with = one_layer;
  o.flag("tied", tied, tied, "the decoder's matrix is the embedding's");
  o.number("output_dropout", output_dropout, output_dropout, share, "on the last layer's output");
  o.number("hidden_dropout", hidden_dropout, hidden_dropout, share, "between layers").not_with = one_layer;
  o.number("input_dropout", input_dropout, input_dropout, share, "on the embedded words");
  o.number("embedding_dropout", embedding_dropout, embedding_dropout, share, "whole words of the embedding matrix");
  o.number("weight_drop", weight_drop, weight_drop, share, "DropConnect on the recurrent matrices");
  o.text("weight_drop_mask", mask, mask, {"element", "row"}, "one draw an element, as in the paper, or one a row")
      .not_with = {{"weight_drop", {0.0}}};
  o.number("alpha", alpha, alpha, at_least(0), "activation regularisation");
  o.number("beta", beta, beta, at_least(0), "temporal activation regularisation");
  o.number("init_range", init_range, init_range, above(0), "embedding starts uniform in ± this");
  weight_drop_rows = mask == "row";
}

AwdLstm::AwdLstm(const AwdLstmOptions& options, const Stream& weights) : o_(options) {
  const auto draw = [&](int64_t k, const std::vector<int64_t>& shape, double range) {
    return uniform(shape, range, weights.item(k, c10::multiply_integers(shape)));
  };
  encoder_ = named(*this, "encoder", "weight", draw(0, {o_.vocabulary, o_.embedding}, o_.init_range));
  const auto rnns = register_module("rnns", std::make_shared<torch::nn::Module>("rnns"));
  for (int64_t l = 0; l < o_.layers; ++l) {
    const int64_t in = l == 0 ? o_.embedding : o_.hidden, width = l == o_.layers - 1 ? o_.embedding : o_.hidden;
    const double range = 1 / std::sqrt(static_cast<double>(width));
    const std::string child = std::to_string(l);
    const int64_t rows = gates(o_.cell) * width;
    const int64_t k = 4 * l + 4;
    Layer layer;
    layer.w_ih = named(*rnns, child, "weight_ih", draw(k, {rows, in}, range));
    layer.w_hh = named(*rnns, child, "weight_hh", draw(k + 1, {rows, width}, range));
    layer.b_ih = named(*rnns, child, "bias_ih", draw(k + 2, {rows}, range));
    layer.b_hh = named(*rnns, child, "bias_hh", draw(k + 3, {rows}, range));
    rnns_.push_back(layer);
  }
  decoder_bias_ = named(*this, "decoder", "bias", torch::zeros({o_.vocabulary}));
  if (!o_.tied) decoder_weight_ = named(*this, "decoder", "weight", draw(1, {o_.vocabulary, o_.embedding}, o_.init_range));
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
  int64_t part = 0;  // of the stream of weight_drop's masks; a large mask runs on into the next ones
  for (size_t l = 0; l < rnns_.size(); ++l) {
    const Layer& layer = rnns_[l];
    torch::Tensor w_hh = layer.w_hh;
    if (draws && o_.weight_drop > 0) {
      const Stream draw = draws->weights.part(static_cast<int>(part));
      part += 1 + (o_.weight_drop_rows ? 0 : (w_hh.numel() - 1) / Stream::part_words);
      if (part > 256) throw UserError("model.weight_drop: the masks of so many or so wide layers are too large");
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

namespace {

// AWD-LSTM's state is flattened to h and c of every layer, AWD-GRU's to h.
class AwdLanguageModel : public LanguageModel {
 public:
  AwdLanguageModel(const AwdLstmOptions& options, uint64_t seed)
      : cell_(options.cell), model_(options, Stream(seed, Stream::everyone, Purpose::initial_weights, 0, 0)) {}
  torch::nn::Module& module() override { return model_; }
  State zero_state(int64_t batch) const override { return flat(model_.zero_state(batch)); }
  Loss loss(const at::Tensor& input, const at::Tensor& target, State& state, const BatchKey* draw) override {
    const size_t parts = cell_ == Cell::lstm ? 2 : 1;
    std::vector<LstmState> layers;
    for (size_t k = 0; k < state.size(); k += parts) layers.push_back({state[k], parts == 2 ? state[k + 1] : at::Tensor()});
    AwdLstm::Loss loss;
    if (draw) {
      const AwdLstm::Draws draws{draw->stream(Purpose::embedding_dropout), draw->stream(Purpose::input_dropout),
                                 draw->stream(Purpose::hidden_dropout), draw->stream(Purpose::output_dropout),
                                 draw->stream(Purpose::weight_drop)};
      loss = model_.loss(input, target, layers, &draws);
    } else {
      loss = model_.loss(input, target, layers, nullptr);
    }
    state = flat(layers);
    return {loss.cross_entropy, loss.objective};
  }

 private:
  State flat(const std::vector<LstmState>& layers) const {
    State state;
    for (const LstmState& s : layers) {
      state.push_back(s.h);
      if (cell_ == Cell::lstm) state.push_back(s.c);
    }
    return state;
  }
  Cell cell_;
  AwdLstm model_;
};

ModelInfo row(std::string name, std::string paper, std::string summary, Cell cell) {
  AwdLstmOptions defaults;
  defaults.cell = cell;
  return {.name = std::move(name),
          .paper = std::move(paper),
          .summary = std::move(summary),
          .task = "language-model",
          .options = options_of(defaults),
          .language = [defaults](const Values& model, int64_t vocabulary, uint64_t seed, Precision precision) {
            AwdLstmOptions o = read_options(model, defaults);
            o.vocabulary = vocabulary;
            o.precision = precision;
            return std::make_unique<AwdLanguageModel>(o, seed);
          }};
}

}  // namespace

namespace built_in {

std::vector<ModelInfo> awd_lstm() {
  return {
      row("awd-lstm", "Merity, Keskar, Socher, ICLR 2018",
          "LSTM language model with weight drop, locked and embedding dropout, tied weights and activation regularisation.",
          Cell::lstm),
      row("awd-gru", "Merity, Keskar, Socher, ICLR 2018, with GRU layers (Cho et al., EMNLP 2014)",
          "The network of awd-lstm with GRU layers in the LSTM layers' place.", Cell::gru),
  };
}

}  // namespace built_in
}  // namespace tacet
