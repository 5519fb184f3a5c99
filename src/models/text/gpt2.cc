// See gpt2.h.
#include "models/text/gpt2.h"

#include <cassert>
#include <cmath>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "models/text/attention.h"
#include "tacet/error.h"
#include "tacet/language_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

constexpr double epsilon = 1e-5;  // the layer norms'

at::Tensor normalised(const at::Tensor& x, const Affine& ln) {
  return torch::layer_norm(x, {x.size(-1)}, ln.weight, ln.bias, epsilon);
}

}  // namespace

void Gpt2Options::options(OptionList& o) {
  const Range share{.min = 0, .max = 1, .max_open = true};
  o.integer("layers", layers, layers, within(1, 1e7), "decoder layers");
  o.integer("width", width, width, within(1, 1e7), "of the residual stream");
  o.integer("heads", heads, heads, within(1, 1e7), "of attention; they divide width");
  o.integer("inner", inner, inner, within(0, 1e7), "width of the feed-forward part; 0: 4 times width");
  o.integer("context", context, context, within(1, 1e7),
            "positions; at least the longest batch, bptt (+ 20 with random_lengths)");
  o.flag("tied", tied, tied, "the output's matrix is the embedding's");
  o.number("dropout", dropout, dropout, share, "on the embedded words and on what each part adds to the residual stream");
  o.number("attention_dropout", attention_dropout, attention_dropout, share, "on the attention weights");
  o.number("init_deviation", init_deviation, init_deviation, above(0), "matrices start normal with this deviation");
}

Gpt2::Gpt2(const Gpt2Options& options, uint64_t seed) : o_(options) {
  if (o_.width % o_.heads != 0)
    throw UserError("model.heads must divide model.width = " + std::to_string(o_.width) + ", got " +
                    std::to_string(o_.heads));
  if (o_.inner == 0) o_.inner = 4 * o_.width;
  InitialWeights draw(seed);
  const double deviation = o_.init_deviation, residual = deviation / std::sqrt(2.0 * static_cast<double>(o_.layers));
  words_ = named(*this, "wte", "weight", draw.normal({o_.vocabulary, o_.width}, deviation));
  positions_ = named(*this, "wpe", "weight", draw.normal({o_.context, o_.width}, deviation));
  const auto h = register_module("h", std::make_shared<torch::nn::Module>("h"));
  for (int64_t l = 0; l < o_.layers; ++l) {
    const auto block = h->register_module(std::to_string(l), std::make_shared<torch::nn::Module>("block"));
    const auto part = [&](const char* name) {
      return block->register_module(name, std::make_shared<torch::nn::Module>(name));
    };
    const auto map = [&](torch::nn::Module& parent, const char* name, int64_t in, int64_t out, double d) {
      const at::Tensor weight = named(parent, name, "weight", draw.normal({out, in}, d));
      return Affine{weight, named(parent, name, "bias", torch::zeros({out}))};
    };
    Block b;
    b.ln_1 = layer_norm(*block, "ln_1", o_.width);
    const auto attn = part("attn");
    b.qkv = map(*attn, "qkv", o_.width, 3 * o_.width, deviation);
    b.out = map(*attn, "out", o_.width, o_.width, residual);
    b.ln_2 = layer_norm(*block, "ln_2", o_.width);
    const auto mlp = part("mlp");
    b.mlp_in = map(*mlp, "in", o_.width, o_.inner, deviation);
    b.mlp_out = map(*mlp, "out", o_.inner, o_.width, residual);
    blocks_.push_back(b);
  }
  last_ = layer_norm(*this, "ln_f", o_.width);
  head_ = o_.tied ? words_ : named(*this, "head", "weight", draw.normal({o_.vocabulary, o_.width}, deviation));
}

at::Tensor Gpt2::states(const at::Tensor& words, const BatchKey* draw) {
  const int64_t T = words.size(1);
  assert(T <= o_.context);
  Dropout dropout(draw);
  const at::Tensor mask = causal_mask(T);
  at::Tensor x = dropout(torch::embedding(words_, words) + positions_.narrow(0, 0, T), o_.dropout);
  for (const Block& b : blocks_) {
    const auto qkv = linear(normalised(x, b.ln_1), b.qkv, o_.precision).chunk(3, 2);
    const at::Tensor seen = attention(qkv[0], qkv[1], qkv[2], o_.heads, mask, dropout, o_.attention_dropout);
    x = x + dropout(linear(seen, b.out, o_.precision), o_.dropout);
    x = x +
        dropout(linear(torch::gelu(linear(normalised(x, b.ln_2), b.mlp_in, o_.precision), "tanh"), b.mlp_out, o_.precision),
                o_.dropout);
  }
  return normalised(x, last_);
}

at::Tensor Gpt2::logits(const at::Tensor& words, const BatchKey* draw) {
  return linear(states(words, draw), {head_, {}}, o_.precision);
}

at::Tensor Gpt2::loss(const at::Tensor& input, const at::Tensor& target, const BatchKey* draw) {
  const at::Tensor x = states(input.t(), draw).transpose(0, 1);  // [T, B, C], as the targets lie
  return linear_cross_entropy(x.reshape({-1, o_.width}), head_, {}, target, o_.precision);
}

namespace {

class Gpt2LanguageModel : public LanguageModel {
 public:
  Gpt2LanguageModel(const Gpt2Options& options, uint64_t seed) : model_(options, seed) {}
  torch::nn::Module& module() override { return model_; }
  State zero_state(int64_t) const override { return {}; }
  Loss loss(const at::Tensor& input, const at::Tensor& target, State&, const BatchKey* draw) override {
    const at::Tensor loss = model_.loss(input, target, draw);
    return {loss, loss};
  }
  int64_t context() const override { return model_.context(); }

 private:
  Gpt2 model_;
};

}  // namespace

namespace built_in {

std::vector<ModelInfo> gpt2() {
  return {{.name = "gpt2",
           .paper = "Radford, Wu, Child, Luan, Amodei, Sutskever 2019",
           .summary = "GPT-2 style decoder: layer norm first, learned positions, output tied to the embedding.",
           .task = "language-model",
           .options = options_of(Gpt2Options()),
           .language = [](const Values& model, int64_t vocabulary, uint64_t seed, Precision precision) {
             Gpt2Options o = read_options<Gpt2Options>(model);
             o.vocabulary = vocabulary;
             o.precision = precision;
             return std::make_unique<Gpt2LanguageModel>(o, seed);
           }}};
}

}  // namespace built_in
}  // namespace tacet
