// Classifiers of a text, or of a pair of texts, on a recurrent encoder: Conneau, Kiela, Schwenk, Barrault, Bordes,
// "Supervised Learning of Universal Sentence Representations from Natural Language Inference Data", EMNLP 2017. Words are
// embedded, a vanilla, GRU or LSTM encoder runs over them in one or both directions, its outputs are pooled to one vector u;
// for a pair the features are (u, v, |u − v|, u∗v) of the two texts' vectors, for one text u; a feed-forward classifier
// follows. Parameters: embedding.weight [V, E] unless frozen; encoder.L.weight_ih [G·H, in], weight_hh [G·H, H], bias_ih,
// bias_hh [G·H], and the same with _reverse; classifier.K.weight, classifier.K.bias.
#pragma once

#include <span>
#include <vector>

#include "kernels/recurrent/recurrent.h"
#include "models/weights.h"
#include "tacet/options.h"

namespace tacet {

enum class Pooling { max, mean, last };  // over the text's own positions; last: each direction's final state

struct TextClassifierOptions {
  int64_t vocabulary = 0, classes = 2;  // V, C
  bool pair = true;
  Cell cell = Cell::lstm;
  int64_t embedding = 300;  // E
  bool frozen = true;
  int64_t layers = 1;
  int64_t hidden = 2048;  // H, of each direction
  bool bidirectional = true;
  Pooling pooling = Pooling::max;
  double dropout = 0;
  int64_t mlp_layers = 2;
  int64_t mlp_hidden = 512;
  std::string activation = "tanh";
  double mlp_dropout = 0;
  Precision precision = Precision::f32;
  bool hinge = false;  // Crammer and Singer's loss, max(0, 1 + max_{j≠y} s_j − s_y), or cross-entropy

  // Binds the keys of [model]; the defaults are the members' values.
  void options(OptionList& o);
};
// Returns the options that [model] gives for pairs of texts or for single ones.
TextClassifierOptions text_classifier_options(const Values& model, bool pair);

using TextView = std::span<const int32_t>;

class TextClassifier : public torch::nn::Module {
 public:
  // vectors: [V, E] to start from (or to stay with, when frozen), or undefined. Weights are drawn from `seed` alone, as
  // torch starts them: recurrent ones uniform on ± 1/√H, linear ones on ± 1/√in, the embedding on ± 0.1.
  TextClassifier(const TextClassifierOptions& options, const at::Tensor& vectors, uint64_t seed);

  // Returns [B, C]. Texts have at least one word, and `second` is empty unless pair. A null `draw` means an evaluation: no
  // dropout. The other texts of a batch do not change a text's scores beyond rounding.
  at::Tensor scores(const std::vector<TextView>& first, const std::vector<TextView>& second, const BatchKey* draw);

  // Returns the sum over the batch, for labels [B] int64.
  at::Tensor loss(const at::Tensor& scores, const at::Tensor& labels) const;

 private:
  at::Tensor encode(const std::vector<TextView>& texts, Dropout& dropout);

  struct Layer {
    RecurrentWeights forward, backward;
  };
  TextClassifierOptions o_;
  at::Tensor embedding_;  // a parameter, or a constant that is neither trained nor sent
  std::vector<Layer> layers_;
  std::vector<Affine> classifier_;
};

}  // namespace tacet
