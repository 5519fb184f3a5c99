// The network; see transformer.h. Decoding is in transformer_decoding.cc.
#include "models/text/transformer.h"

#include <cmath>
#include <limits>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "models/model_catalog.h"
#include "models/text/attention.h"
#include "models/text/transformer_parts.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {

using namespace transformer_parts;

void TransformerOptions::options(OptionList& o) {
  const Range share{.min = 0, .max = 1, .max_open = true};
  o.integer("layers", layers, layers, within(1, 1e7), "of the encoder, and of the decoder");
  o.integer("width", width, width, within(1, 1e7), "of the layers; even");
  o.integer("heads", heads, heads, within(1, 1e7), "of attention; they divide width");
  o.integer("inner", inner, inner, within(1, 1e7), "width of the feed-forward parts");
  o.number("dropout", dropout, dropout, share, "on embedded inputs and on what each part adds");
  o.number("attention_dropout", attention_dropout, attention_dropout, share, "on the attention weights");
  o.number("label_smoothing", label_smoothing, label_smoothing, share, "share of the target that is spread over all words");
}

void DecodingOptions::options(OptionList& o) {
  std::string decoding;
  int64_t beam = 0;
  o.text("decoding", decoding, "greedy", {"greedy", "beam", "none"},
         "how an evaluation translates for BLEU; none: there is no BLEU");
  o.integer("beam", beam, 4, within(1, 1e7), "with beam: hypotheses kept").only_with = {{"decoding", {"beam"}}};
  o.number("length_penalty", how.length_penalty, how.length_penalty, at_least(0),
           "with beam: log-probabilities are divided by ((5 + length)/6) to this power")
      .only_with = {{"decoding", {"beam"}}};
  o.integer("extra_length", how.extra, how.extra, within(0, 1e7),
            "a translation has at most so many pieces more than its source")
      .only_with = {{"decoding", {"greedy", "beam"}}};
  translates = decoding != "none";
  how.beam = decoding == "beam" ? beam : 1;
}

Transformer::Transformer(const TransformerOptions& options, uint64_t seed) : o_(options) {
  if (o_.width % 2 != 0) throw UserError("model.width must be even, got " + std::to_string(o_.width));
  if (o_.width % o_.heads != 0)
    throw UserError("model.heads must divide model.width = " + std::to_string(o_.width) + ", got " +
                    std::to_string(o_.heads));
  InitialWeights draw(seed);
  embedding_ = named(*this, "embedding", "weight",
                     draw.normal({o_.vocabulary, o_.width}, 1 / std::sqrt(static_cast<double>(o_.width))));
  encoder_ = blocks("encoder", false, draw);
  decoder_ = blocks("decoder", true, draw);
}

std::vector<Transformer::Block> Transformer::blocks(const char* name, bool cross, InitialWeights& draw) {
  const auto parent = register_module(name, std::make_shared<torch::nn::Module>(name));
  const int64_t C = o_.width;
  const auto map = [&](torch::nn::Module& part, const char* child, int64_t in, int64_t out) {
    const double range = std::sqrt(6.0 / static_cast<double>(in + out));
    const at::Tensor weight = named(part, child, "weight", draw.uniform({out, in}, range));
    return Affine{weight, named(part, child, "bias", torch::zeros({out}))};
  };
  std::vector<Block> all;
  for (int64_t l = 0; l < o_.layers; ++l) {
    const auto block = parent->register_module(std::to_string(l), std::make_shared<torch::nn::Module>("block"));
    const auto part = [&](const char* child) {
      return block->register_module(child, std::make_shared<torch::nn::Module>(child));
    };
    Block b;
    const auto self = part("self");
    b.self = {map(*self, "qkv", C, 3 * C), map(*self, "out", C, C)};
    b.norm_1 = layer_norm(*block, "norm_1", C);
    if (cross) {
      const auto other = part("cross");
      b.cross = {map(*other, "qkv", C, 3 * C), map(*other, "out", C, C)};
      b.norm_2 = layer_norm(*block, "norm_2", C);
    }
    const auto ff = part("ff");
    b.ff_in = map(*ff, "in", C, o_.inner);
    b.ff_out = map(*ff, "out", o_.inner, C);
    (cross ? b.norm_3 : b.norm_2) = layer_norm(*block, cross ? "norm_3" : "norm_2", C);
    all.push_back(b);
  }
  return all;
}

at::Tensor Transformer::embedded(const at::Tensor& pieces, int64_t first, Dropout& dropout) const {
  const at::Tensor words = torch::embedding(embedding_, pieces) * std::sqrt(static_cast<double>(o_.width));
  return dropout(words + sinusoids(first, pieces.size(1), o_.width), o_.dropout);
}

at::Tensor Transformer::added(const at::Tensor& x, const at::Tensor& more, const Affine& norm, Dropout& dropout) const {
  return torch::layer_norm(x + dropout(more, o_.dropout), {o_.width}, norm.weight, norm.bias, 1e-5);
}

at::Tensor Transformer::feed_forward(const at::Tensor& x, const Block& b) const {
  return linear(torch::relu(linear(x, b.ff_in, o_.precision)), b.ff_out, o_.precision);
}

Transformer::Memory Transformer::encode(const std::vector<View>& source, Dropout& dropout) const {
  const at::Tensor pieces = rectangle(source, o_.pad, std::nullopt, o_.end);
  const at::Tensor mask = torch::zeros(pieces.sizes())
                              .masked_fill(pieces == int64_t{o_.pad}, -std::numeric_limits<float>::infinity())
                              .view({pieces.size(0), 1, 1, pieces.size(1)});
  at::Tensor x = embedded(pieces, 0, dropout);
  for (const Block& b : encoder_) {
    const auto qkv = linear(x, b.self.qkv, o_.precision).chunk(3, 2);
    const at::Tensor seen = attention(qkv[0], qkv[1], qkv[2], o_.heads, mask, dropout, o_.attention_dropout);
    x = added(x, linear(seen, b.self.out, o_.precision), b.norm_1, dropout);
    x = added(x, feed_forward(x, b), b.norm_2, dropout);
  }
  return {x, mask};
}

at::Tensor Transformer::decode(const Memory& memory, const at::Tensor& input, Dropout& dropout) const {
  const at::Tensor later = causal_mask(input.size(1));
  at::Tensor x = embedded(input, 0, dropout);
  for (const Block& b : decoder_) {
    const auto qkv = linear(x, b.self.qkv, o_.precision).chunk(3, 2);
    const at::Tensor seen = attention(qkv[0], qkv[1], qkv[2], o_.heads, later, dropout, o_.attention_dropout);
    x = added(x, linear(seen, b.self.out, o_.precision), b.norm_1, dropout);
    const auto kv = linear(memory.states, rows(b.cross.qkv, o_.width, 3 * o_.width), o_.precision).chunk(2, 2);
    const at::Tensor read = attention(linear(x, rows(b.cross.qkv, 0, o_.width), o_.precision), kv[0], kv[1], o_.heads,
                                      memory.mask, dropout, o_.attention_dropout);
    x = added(x, linear(read, b.cross.out, o_.precision), b.norm_2, dropout);
    x = added(x, feed_forward(x, b), b.norm_3, dropout);
  }
  return x;
}

at::Tensor Transformer::logits(const std::vector<View>& source, const at::Tensor& input, const BatchKey* draw) {
  Dropout dropout(draw);
  return linear(decode(encode(source, dropout), input, dropout), {embedding_, {}}, o_.precision);
}

Transformer::Loss Transformer::loss(const std::vector<View>& source, const std::vector<View>& target, const BatchKey* draw) {
  const at::Tensor input = rectangle(target, o_.pad, o_.begin, std::nullopt);
  const at::Tensor wanted = rectangle(target, o_.pad, std::nullopt, o_.end).reshape({-1});
  // Where a text has ended nothing is asked for, and the output's product is not taken.
  const at::Tensor places = inside(target).reshape({-1}).nonzero().squeeze(1);
  const int64_t pieces = places.numel();
  Dropout dropout(draw);
  const at::Tensor states = decode(encode(source, dropout), input, dropout).reshape({-1, o_.width});
  const at::Tensor log_p = torch::log_softmax(linear(states.index_select(0, places), {embedding_, {}}, o_.precision), 1);
  const at::Tensor cross_entropy = -log_p.gather(1, wanted.index_select(0, places).unsqueeze(1)).sum();
  const double e = o_.label_smoothing;
  if (e == 0) return {cross_entropy, cross_entropy, pieces};
  return {cross_entropy, (1 - e) * cross_entropy - e * log_p.mean(1).sum(), pieces};
}

namespace built_in {

std::vector<ModelInfo> transformer() {
  ModelInfo row{
      .name = "transformer",
      .paper = "Vaswani et al., NeurIPS 2017",
      .summary =
          "Encoder-decoder Transformer with one embedding of both languages, label smoothing, greedy or beam decoding.",
      .task = "translation"};
  OptionList list;
  TransformerOptions().options(list);
  DecodingOptions().options(list);
  row.options = list.all();
  row.options.push_back(init_option());
  return {row};
}

}  // namespace built_in
}  // namespace tacet
