// Encoder-decoder Transformer: Vaswani et al., "Attention Is All You Need", NeurIPS 2017. Layer norm after each residual
// sum, ReLU in the feed-forward parts, sinusoidal positions, one embedding of both languages that is also the output's
// matrix and is multiplied by √C on the way in. Label smoothing in the loss; greedy and beam decoding with cached keys and
// values. Parameters: embedding.weight [V, C]; encoder.L.self.qkv [3C, C], encoder.L.self.out [C, C], encoder.L.ff.in [F,
// C], encoder.L.ff.out [C, F], encoder.L.norm_1, norm_2 [C]; decoder.L as well with cross.qkv, cross.out and norm_3. Each
// has a weight (out × in) and a bias.
#pragma once

#include <span>
#include <vector>

#include "models/weights.h"
#include "tacet/options.h"
#include "tacet/precision.h"

namespace tacet {

struct TransformerOptions {
  int64_t vocabulary = 0;  // V, of both languages together
  int32_t pad = 0, begin = 2, end = 3;
  int64_t layers = 6;    // in the encoder, and in the decoder
  int64_t width = 512;   // C, even
  int64_t heads = 8;     // divides C
  int64_t inner = 2048;  // F
  Precision precision = Precision::f32;
  double dropout = 0.1;
  double attention_dropout = 0;
  double label_smoothing = 0.1;  // ε: the target distribution is (1 − ε)·(the word) + ε/V·(all words)

  // Binds the keys of [model] that the network uses; the defaults are the members' values.
  void options(OptionList& o);
};

struct Decoding {
  int64_t beam = 1;             // hypotheses kept a sentence; 1: greedy
  double length_penalty = 0.6;  // α of Wu et al. 2016: a hypothesis' log-probability is divided by ((5 + length)/6)^α
  int64_t extra = 50;           // a translation has at most so many pieces more than its source
};

// The translations of an evaluation.
struct DecodingOptions {
  bool translates = true;  // false: there is no BLEU
  Decoding how;

  // Binds the keys of [model] that say so.
  void options(OptionList& o);
};

class Transformer : public torch::nn::Module {
 public:
  using View = std::span<const int32_t>;

  // Draws the weights from `seed` alone: matrices uniform as Glorot and Bengio, embedding normal with deviation 1/√C, biases
  // 0. Throws UserError when the heads do not divide the width, or the width is odd.
  Transformer(const TransformerOptions& options, uint64_t seed);

  // Returns the losses summed over all target pieces and </s>, and how many those are. source and target are a batch of
  // texts without <s> and </s>. A null `draw` means no dropout.
  struct Loss {
    at::Tensor cross_entropy, smoothed;
    int64_t pieces = 0;
  };
  Loss loss(const std::vector<View>& source, const std::vector<View>& target, const BatchKey* draw);

  // Returns [B, T, V] before the softmax, for decoder inputs [B, T] that start with <s>.
  at::Tensor logits(const std::vector<View>& source, const at::Tensor& input, const BatchKey* draw);

  // Returns the pieces of each text's translation, without <s> and </s>. Call without gradients.
  std::vector<std::vector<int32_t>> translate(const std::vector<View>& source, const Decoding& how);

 private:
  struct Attention {
    Affine qkv, out;
  };
  struct Block {
    Attention self, cross;
    Affine ff_in, ff_out, norm_1, norm_2, norm_3;
  };
  struct Memory {
    at::Tensor states, mask;  // [B, S, C]; [B, 1, 1, S], −∞ at padding
  };
  // Keys and values of one decoder layer: of the pieces so far, and of the source.
  struct Cache {
    at::Tensor k, v, source_k, source_v;
  };

  std::vector<Block> blocks(const char* name, bool cross, InitialWeights& draw);
  at::Tensor embedded(const at::Tensor& pieces, int64_t first, Dropout& dropout) const;
  at::Tensor added(const at::Tensor& x, const at::Tensor& more, const Affine& norm, Dropout& dropout) const;
  at::Tensor feed_forward(const at::Tensor& x, const Block& b) const;
  Memory encode(const std::vector<View>& source, Dropout& dropout) const;
  at::Tensor decode(const Memory& memory, const at::Tensor& input, Dropout& dropout) const;  // [B, T, C]
  std::vector<Cache> empty_caches(const Memory& memory) const;
  at::Tensor step(const at::Tensor& pieces, int64_t position, const at::Tensor& mask, std::vector<Cache>& caches) const;

  TransformerOptions o_;
  at::Tensor embedding_;
  std::vector<Block> encoder_, decoder_;
};

}  // namespace tacet
