// GPT-2 style decoder: Radford, Wu, Child, Luan, Amodei, Sutskever, "Language Models are Unsupervised Multitask Learners",
// 2019. Learned positions, layer norm before attention and before the feed-forward part, GELU (tanh form), a last layer
// norm, output tied to the embedding. Nothing is carried from a batch to the next: a batch's first word sees only itself.
// Parameters: wte.weight [V, C]; wpe.weight [context, C]; h.L.ln_1, h.L.ln_2, ln_f (weight and bias [C]); h.L.attn.qkv [3C,
// C], h.L.attn.out [C, C], h.L.mlp.in [F, C], h.L.mlp.out [C, F], each with weight (out × in) and bias; head.weight [V, C]
// only when not tied.
#pragma once

#include <vector>

#include "models/weights.h"
#include "tacet/options.h"
#include "tacet/precision.h"

namespace tacet {

struct Gpt2Options {
  int64_t vocabulary = 0;  // V
  int64_t layers = 12;
  int64_t width = 768;  // C
  int64_t heads = 12;   // divides C
  int64_t inner = 0;    // F; 0: 4·C
  int64_t context = 1024;
  bool tied = true;
  double dropout = 0.1;
  double attention_dropout = 0.1;
  Precision precision = Precision::f32;
  double init_deviation = 0.02;  // divided by √(2·layers) for matrices that write into the residual stream

  // Binds the keys of [model]; the defaults are the members' values.
  void options(OptionList& o);
};

class Gpt2 : public torch::nn::Module {
 public:
  // Draws the weights from `seed` alone: matrices normal, biases 0, layer norms 1 and 0. Throws UserError when the heads do
  // not divide the width.
  Gpt2(const Gpt2Options& options, uint64_t seed);

  // Returns [B, T, V] before the softmax, for words [B, T] int64 with T ≤ context. A null `draw` means no dropout.
  at::Tensor logits(const at::Tensor& words, const BatchKey* draw);
  // Returns the mean cross-entropy of input [T, B] with target [T·B], t major.
  at::Tensor loss(const at::Tensor& input, const at::Tensor& target, const BatchKey* draw);
  int64_t context() const { return o_.context; }

 private:
  // Returns [B, T, C], from which the head makes scores.
  at::Tensor states(const at::Tensor& words, const BatchKey* draw);

  struct Block {
    Affine ln_1, qkv, out, ln_2, mlp_in, mlp_out;
  };
  Gpt2Options o_;
  at::Tensor words_, positions_, head_;
  std::vector<Block> blocks_;
  Affine last_;
};

}  // namespace tacet
