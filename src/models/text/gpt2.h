// GPT-2 style decoder: Radford, Wu, Child, Luan, Amodei, Sutskever, "Language Models are Unsupervised Multitask Learners",
// 2019. Learned positions, layer norm before attention and before the feed-forward part, GELU (tanh form), a last layer
// norm, output tied to the embedding. Nothing is carried from a batch to the next: a batch's first word sees only itself.
// Parameters: wte.weight [V, C]; wpe.weight [context, C]; h.L.ln_1, h.L.ln_2, ln_f (weight and bias [C]); h.L.attn.qkv [3C,
// C], h.L.attn.out [C, C], h.L.mlp.in [F, C], h.L.mlp.out [C, F], each with weight (out × in) and bias; head.weight [V, C]
// only when not tied.
#pragma once

#include <vector>

#include "kernels/product/precision.h"
#include "models/weights.h"
#include "tacet/options.h"

namespace tacet {

struct Gpt2Options {
  int64_t vocabulary = 0;  // V
  int64_t layers = 12;
  int64_t width = 768;     // C
  int64_t heads = 12;      // divides C
  int64_t inner = 0;       // F, width of the feed-forward part; 0: 4·C
  int64_t context = 1024;  // positions
  bool tied = true;
  double dropout = 0.1;            // on the embedded input and on what is added to the residual stream
  double attention_dropout = 0.1;  // on the attention weights
  Precision precision = Precision::f32;
  double init_deviation = 0.02;  // of all matrices; those that write into the residual stream: divided by √(2·layers)
};
// Throws UserError when the heads do not divide the width.
Gpt2Options gpt2_options(const Values& model, int64_t vocabulary);

class Gpt2 : public torch::nn::Module {
 public:
  // Weights are drawn from `seed` alone: matrices normal, biases 0, layer norms 1 and 0.
  Gpt2(const Gpt2Options& options, uint64_t seed);

  // [B, T, V] before the softmax. words [B, T] int64, T ≤ context. draw: null means no dropout.
  at::Tensor logits(const at::Tensor& words, const BatchKey* draw);
  // Mean cross-entropy. input [T, B], target [T·B], t major.
  at::Tensor loss(const at::Tensor& input, const at::Tensor& target, const BatchKey* draw);
  int64_t context() const { return o_.context; }

 private:
  // [B, T, C], what the head makes scores of.
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
