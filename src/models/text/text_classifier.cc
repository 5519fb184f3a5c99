// See text_classifier.h.
#include "models/text/text_classifier.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "kernels/product/linear.h"
#include "models/model_catalog.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

RecurrentWeights recurrent_weights(torch::nn::Module& parent, const std::string& child, const std::string& suffix, Cell cell,
                                   int64_t in, int64_t hidden, InitialWeights& draw) {
  const double range = 1 / std::sqrt(static_cast<double>(hidden));
  const int64_t rows = gates(cell) * hidden;
  RecurrentWeights w;
  w.w_ih = named(parent, child, "weight_ih" + suffix, draw.uniform({rows, in}, range));
  w.w_hh = named(parent, child, "weight_hh" + suffix, draw.uniform({rows, hidden}, range));
  w.b_ih = named(parent, child, "bias_ih" + suffix, draw.uniform({rows}, range));
  w.b_hh = named(parent, child, "bias_hh" + suffix, draw.uniform({rows}, range));
  return w;
}

// The texts' words in packed order, and where each text went.
struct PackedTexts {
  Packed words;
  at::Tensor place;    // [B]: text k is column place[k]
  at::Tensor lengths;  // [B, 1] float, of the columns
};

PackedTexts pack(const std::vector<TextView>& texts) {
  const auto batch = static_cast<int64_t>(texts.size());
  std::vector<int64_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0);
  const auto text = [&](int64_t k) { return texts[static_cast<size_t>(k)]; };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return text(a).size() > text(b).size(); });
  const size_t longest = text(order.front()).size();
  PackedTexts p{{{}, torch::empty({static_cast<int64_t>(longest)}, torch::kLong)},
                torch::empty({batch}, torch::kLong),
                torch::empty({batch, 1})};
  std::vector<int64_t> words;
  for (size_t t = 0; t < longest; ++t) {
    const size_t before = words.size();
    for (const int64_t k : order) {
      if (text(k).size() <= t) break;
      words.push_back(text(k)[t]);
    }
    p.words.batch_sizes.data_ptr<int64_t>()[t] = static_cast<int64_t>(words.size() - before);
  }
  p.words.data = torch::tensor(words, torch::kLong);
  for (int64_t column = 0; column < batch; ++column) {
    const int64_t k = order[static_cast<size_t>(column)];
    p.place.data_ptr<int64_t>()[k] = column;
    p.lengths.data_ptr<float>()[column] = static_cast<float>(text(k).size());
  }
  return p;
}

}  // namespace

void TextClassifierOptions::options(OptionList& o) {
  const Range share{.min = 0, .max = 1, .max_open = true};
  std::string cell_word = cell == Cell::rnn ? "rnn" : cell == Cell::gru ? "gru" : "lstm";
  std::string pooling_word = pooling == Pooling::max ? "max" : pooling == Pooling::mean ? "mean" : "last";
  std::string loss = hinge ? "hinge" : "cross-entropy";
  o.text("cell", cell_word, cell_word, {"rnn", "gru", "lstm"}, "of the encoder");
  o.integer("layers", layers, layers, within(1, 1e7), "encoder layers");
  o.integer("hidden", hidden, hidden, within(1, 1e7), "width of the encoder in each direction");
  o.flag("bidirectional", bidirectional, bidirectional, "the encoder runs in both directions");
  o.text("pooling", pooling_word, pooling_word, {"max", "mean", "last"},
         "how the encoder's outputs become one vector; last: its final state");
  o.integer("embedding", embedding, embedding, within(1, 1e7), "width of the word vectors");
  o.flag("frozen", frozen, frozen, "vectors from data.vectors are not trained; without such vectors the embedding always is")
      .only_with = {{"data.vectors"}};
  o.number("dropout", dropout, dropout, share, "between the encoder's layers").only_with = {{"layers"}};
  o.integer("mlp_layers", mlp_layers, mlp_layers, within(0, 1e7), "hidden layers of the classifier; 0: one linear map");
  o.integer("mlp_hidden", mlp_hidden, mlp_hidden, within(1, 1e7), "width of the classifier's hidden layers").not_with = {
      {"mlp_layers", {int64_t{0}}}};
  o.text("activation", activation, activation, {"tanh", "relu", "none"}, "of the classifier's hidden layers").not_with = {
      {"mlp_layers", {int64_t{0}}}};
  o.number("mlp_dropout", mlp_dropout, mlp_dropout, share, "before each of the classifier's layers");
  o.text("loss", loss, loss, {"cross-entropy", "hinge"},
         "hinge: Crammer and Singer's, max(0, 1 + largest other score − own score)");
  cell = cell_named(cell_word);
  pooling = pooling_word == "max" ? Pooling::max : pooling_word == "mean" ? Pooling::mean : Pooling::last;
  hinge = loss == "hinge";
}

namespace {

TextClassifierOptions defaults(bool pair) {
  TextClassifierOptions o;
  o.pair = pair;
  if (!pair) {
    o.cell = Cell::rnn;
    o.hidden = 256;
    o.bidirectional = false;
    o.pooling = Pooling::last;
  }
  return o;
}

}  // namespace

TextClassifierOptions text_classifier_options(const Values& model, bool pair) { return read_options(model, defaults(pair)); }

TextClassifier::TextClassifier(const TextClassifierOptions& options, const at::Tensor& vectors, uint64_t seed)
    : o_(options) {
  InitialWeights draw(seed);
  if (vectors.defined() && vectors.size(1) != o_.embedding)
    throw UserError("model.embedding must be the width of the vectors that data.vectors names (" +
                    std::to_string(vectors.size(1)) + "), got " + std::to_string(o_.embedding));
  if (vectors.defined() && o_.frozen)
    embedding_ = vectors;
  else
    embedding_ = named(*this, "embedding", "weight",
                       vectors.defined() ? vectors.clone() : draw.uniform({o_.vocabulary, o_.embedding}, 0.1));
  const int64_t directions = o_.bidirectional ? 2 : 1;
  const auto encoder = register_module("encoder", std::make_shared<torch::nn::Module>("encoder"));
  for (int64_t l = 0; l < o_.layers; ++l) {
    const int64_t in = l == 0 ? o_.embedding : directions * o_.hidden;
    Layer layer;
    layer.forward = recurrent_weights(*encoder, std::to_string(l), "", o_.cell, in, o_.hidden, draw);
    if (o_.bidirectional)
      layer.backward = recurrent_weights(*encoder, std::to_string(l), "_reverse", o_.cell, in, o_.hidden, draw);
    layers_.push_back(layer);
  }
  const auto classifier = register_module("classifier", std::make_shared<torch::nn::Module>("classifier"));
  int64_t in = (o_.pair ? 4 : 1) * directions * o_.hidden;
  for (int64_t k = 0; k <= o_.mlp_layers; ++k) {
    const int64_t out = k == o_.mlp_layers ? o_.classes : o_.mlp_hidden;
    classifier_.push_back(affine(*classifier, std::to_string(k), in, out, draw));
    in = out;
  }
}

at::Tensor TextClassifier::encode(const std::vector<TextView>& texts, Dropout& dropout) {
  const PackedTexts packed = pack(texts);
  const at::Tensor& sizes = packed.words.batch_sizes;
  Packed x{torch::embedding(embedding_, packed.words.data), sizes};
  RecurrentOutput out;
  for (size_t l = 0; l < layers_.size(); ++l) {
    if (l > 0) x.data = dropout(x.data, o_.dropout);
    out = recurrent_layer(o_.cell, x, layers_[l].forward, o_.bidirectional ? &layers_[l].backward : nullptr, o_.precision);
    x.data = out.data;
  }
  at::Tensor pooled;
  switch (o_.pooling) {
    case Pooling::max:
      pooled = std::get<0>(padded(x.data, sizes, -std::numeric_limits<double>::infinity()).max(0));
      break;
    case Pooling::mean:
      pooled = padded(x.data, sizes, 0).sum(0) / packed.lengths;
      break;
    case Pooling::last:
      pooled = out.last;
      break;
  }
  return pooled.index_select(0, packed.place);
}

at::Tensor TextClassifier::scores(const std::vector<TextView>& first, const std::vector<TextView>& second,
                                  const BatchKey* draw) {
  Dropout dropout(draw);
  at::Tensor x = encode(first, dropout);
  if (o_.pair) {
    const at::Tensor v = encode(second, dropout);
    x = torch::cat({x, v, (x - v).abs(), x * v}, 1);
  }
  for (size_t k = 0; k < classifier_.size(); ++k) {
    x = linear(dropout(x, o_.mlp_dropout), classifier_[k].weight, classifier_[k].bias, o_.precision);
    if (k + 1 == classifier_.size() || o_.activation == "none") continue;
    x = o_.activation == "tanh" ? torch::tanh(x) : torch::relu(x);
  }
  return x;
}

at::Tensor TextClassifier::loss(const at::Tensor& scores, const at::Tensor& labels) const {
  if (!o_.hinge) return torch::cross_entropy_loss(scores, labels, {}, at::Reduction::Sum);
  const at::Tensor column = labels.unsqueeze(1);
  const at::Tensor own = scores.gather(1, column);
  const at::Tensor others = scores.scatter(1, column, -std::numeric_limits<float>::infinity());
  return torch::relu(1 + std::get<0>(others.max(1)) - own.squeeze(1)).sum();
}

namespace built_in {

std::vector<ModelInfo> text_classifier() {
  ModelInfo pairs{.name = "sentence-pair-classifier",
                  .paper = "Conneau, Kiela, Schwenk, Barrault, Bordes, EMNLP 2017",
                  .summary =
                      "Recurrent sentence encoder with pooling, the features (u, v, |u − v|, u∗v) of two sentences and a "
                      "feed-forward classifier.",
                  .task = "sentence-pairs",
                  .options = options_of(defaults(true))};
  ModelInfo texts{.name = "text-classifier",
                  .paper = "the same encoder for one text, Conneau et al., EMNLP 2017",
                  .summary = "Recurrent text encoder with pooling and a feed-forward classifier.",
                  .task = "text-classification",
                  .options = options_of(defaults(false))};
  for (ModelInfo* row : {&pairs, &texts}) row->options.push_back(init_option());
  return {pairs, texts};
}

}  // namespace built_in
}  // namespace tacet
