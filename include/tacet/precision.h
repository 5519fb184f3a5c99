// The precision of the factors of matrix products and convolutions (run.dtype). It is passed as a value from the recipe to
// each product; nothing is kept here.
#pragma once

namespace tacet {

// f32 is single precision throughout. bf16 rounds factors to bfloat16 and sums products in single precision. Weights,
// gradients, states and everything between products stay single precision.
enum class Precision { f32, bf16 };

}  // namespace tacet
