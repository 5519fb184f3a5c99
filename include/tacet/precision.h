// The numbers that matrix products and convolutions multiply. A value handed from the recipe (run.dtype) through a model's
// options to each product; nothing is kept here.
#pragma once

namespace tacet {

// f32: single precision throughout. bf16: factors are rounded to bfloat16 and products summed in single precision; weights,
// gradients, states and everything between products stay single precision.
enum class Precision { f32, bf16 };

}  // namespace tacet
