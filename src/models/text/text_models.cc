// See sequence_rows.h. What a model computes is in its own file.
#include "models/text/text_models.h"

namespace tacet {
namespace {

Option count(std::string name, int64_t fallback, std::string doc, double min = 1) {
  return {
      .name = std::move(name), .kind = Kind::integer, .fallback = fallback, .doc = std::move(doc), .min = min, .max = 1e7};
}
Option probability(std::string name, double fallback, std::string doc) {
  return {.name = std::move(name),
          .kind = Kind::number,
          .fallback = fallback,
          .doc = std::move(doc),
          .min = 0,
          .max = 1,
          .max_open = true};
}
Option flag(std::string name, bool fallback, std::string doc) {
  return {.name = std::move(name), .kind = Kind::flag, .fallback = fallback, .doc = std::move(doc)};
}
Option word(std::string name, std::string fallback, std::string doc, std::vector<std::string> one_of) {
  return {.name = std::move(name),
          .kind = Kind::text,
          .fallback = std::move(fallback),
          .doc = std::move(doc),
          .one_of = std::move(one_of)};
}
Option init() {
  return {.name = "init",
          .kind = Kind::text,
          .doc = "safetensors file with the initial weights",
          .required = false,
          .free_on_resume = true,
          .per_machine = true};
}

std::vector<Option> classifier(std::string cell, int64_t hidden, bool bidirectional, std::string pooling) {
  return {word("cell", std::move(cell), "of the encoder", {"rnn", "gru", "lstm"}),
          count("layers", 1, "encoder layers"),
          count("hidden", hidden, "width of the encoder in each direction"),
          flag("bidirectional", bidirectional, "the encoder runs in both directions"),
          word("pooling", std::move(pooling), "how the encoder's outputs become one vector; last: its final state",
               {"max", "mean", "last"}),
          count("embedding", 300, "width of the word vectors"),
          flag("frozen", true, "vectors from data.vectors are not trained; without such vectors the embedding always is"),
          probability("dropout", 0, "between the encoder's layers"),
          count("mlp_layers", 2, "hidden layers of the classifier; 0: one linear map", 0),
          count("mlp_hidden", 512, "width of the classifier's hidden layers"),
          word("activation", "tanh", "of the classifier's hidden layers", {"tanh", "relu", "none"}),
          probability("mlp_dropout", 0, "before each of the classifier's layers"),
          word("loss", "cross-entropy", "hinge: Crammer and Singer's, max(0, 1 + largest other score − own score)",
               {"cross-entropy", "hinge"}),
          init()};
}

Entry gpt2() {
  return {"gpt2",
          "Radford, Wu, Child, Luan, Amodei, Sutskever 2019",
          "GPT-2 style decoder: layer norm first, learned positions, output tied to the embedding.",
          "language-model",
          {count("layers", 12, "decoder layers"),
           count("width", 768, "of the residual stream"),
           count("heads", 12, "of attention; they divide width"),
           count("inner", 0, "width of the feed-forward part; 0: 4 times width", 0),
           count("context", 1024, "positions; at least the longest batch, bptt (+ 20 with random_lengths)"),
           flag("tied", true, "the output's matrix is the embedding's"),
           probability("dropout", 0.1, "on the embedded words and on what each part adds to the residual stream"),
           probability("attention_dropout", 0.1, "on the attention weights"),
           {.name = "init_deviation",
            .kind = Kind::number,
            .fallback = 0.02,
            .doc = "matrices start normal with this deviation",
            .min = 0,
            .min_open = true,
            .max_open = true},
           init()},
          {}};
}

Option at_least_zero(std::string name, double fallback, std::string doc) {
  return {.name = std::move(name),
          .kind = Kind::number,
          .fallback = fallback,
          .doc = std::move(doc),
          .min = 0,
          .max_open = true};
}

Entry transformer() {
  return {
      "transformer",
      "Vaswani et al., NeurIPS 2017",
      "Encoder-decoder Transformer with one embedding of both languages, label smoothing, greedy or beam decoding.",
      "translation",
      {count("layers", 6, "of the encoder, and of the decoder"), count("width", 512, "of the layers; even"),
       count("heads", 8, "of attention; they divide width"), count("inner", 2048, "width of the feed-forward parts"),
       probability("dropout", 0.1, "on embedded inputs and on what each part adds"),
       probability("attention_dropout", 0, "on the attention weights"),
       probability("label_smoothing", 0.1, "share of the target that is spread over all words"),
       word("decoding", "greedy", "how an evaluation translates for BLEU; none: there is no BLEU",
            {"greedy", "beam", "none"}),
       count("beam", 4, "with beam: hypotheses kept"),
       at_least_zero("length_penalty", 0.6, "with beam: log-probabilities are divided by ((5 + length)/6) to this power"),
       count("extra_length", 50, "a translation has at most so many pieces more than its source", 0), init()},
      {}};
}

}  // namespace

std::vector<Entry> sequence_models() {
  return {
      gpt2(),
      transformer(),
      {"sentence-pair-classifier",
       "Conneau, Kiela, Schwenk, Barrault, Bordes, EMNLP 2017",
       "Recurrent sentence encoder with pooling, the features (u, v, |u − v|, u∗v) of two sentences and a feed-forward "
       "classifier.",
       "sentence-pairs",
       classifier("lstm", 2048, true, "max"),
       {}},
      {"text-classifier",
       "the same encoder for one text, Conneau et al., EMNLP 2017",
       "Recurrent text encoder with pooling and a feed-forward classifier.",
       "text-classification",
       classifier("rnn", 256, false, "last"),
       {}},
  };
}

}  // namespace tacet
