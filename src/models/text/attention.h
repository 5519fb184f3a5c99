// Scaled dot-product attention in several heads (Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2),
// without the projections around it. The one place for a faster path.
#pragma once

#include "models/weights.h"

namespace tacet {

// q [B, Tq, C], k and v [B, Tk, C]; each head has C / heads of the columns. mask: added to the scores [B or 1, 1, Tq or 1,
// Tk], −∞ where looking is forbidden; undefined: none is. dropout with probability p falls on the weights. Returns [B, Tq,
// C].
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads, const at::Tensor& mask,
                     Dropout& dropout, double p);

// [1, 1, T, T]: −∞ above the diagonal, else 0: a position sees itself and what is before it.
at::Tensor causal_mask(int64_t T);

}  // namespace tacet
