// Small pieces that the Transformer's network and its decoding share. Not for other files.
#pragma once

#include <cmath>
#include <optional>
#include <vector>

#include <torch/types.h>

#include "models/text/transformer.h"

namespace tacet::transformer_parts {

// Some outputs of a map only.
inline Affine rows(const Affine& map, int64_t first, int64_t end) {
  return {map.weight.slice(0, first, end), map.bias.slice(0, first, end)};
}

// [B, longest] int64: the texts side by side, with a piece before or after each where given, then padding.
inline at::Tensor rectangle(const std::vector<Transformer::View>& texts, int64_t pad, std::optional<int64_t> before,
                            std::optional<int64_t> after) {
  size_t longest = 0;
  for (const auto& text : texts) longest = std::max(longest, text.size());
  const auto width = static_cast<int64_t>(longest) + before.has_value() + after.has_value();
  at::Tensor out = torch::full({static_cast<int64_t>(texts.size()), width}, pad, torch::kLong);
  for (size_t k = 0; k < texts.size(); ++k) {
    int64_t* at = out.data_ptr<int64_t>() + static_cast<int64_t>(k) * width;
    if (before) *at++ = *before;
    for (const int32_t piece : texts[k]) *at++ = piece;
    if (after) *at++ = *after;
  }
  return out;
}

// [B, longest + 1] bool: true at a text's pieces and at the one that ends it.
inline at::Tensor inside(const std::vector<Transformer::View>& texts) {
  size_t longest = 0;
  for (const auto& text : texts) longest = std::max(longest, text.size());
  const auto width = static_cast<int64_t>(longest) + 1;
  at::Tensor out = torch::zeros({static_cast<int64_t>(texts.size()), width}, torch::kBool);
  for (size_t k = 0; k < texts.size(); ++k)
    out[static_cast<int64_t>(k)].narrow(0, 0, static_cast<int64_t>(texts[k].size()) + 1).fill_(true);
  return out;
}

// [1, T, C]: sin(p / 10000^(2i/C)) in column 2i and the cosine in column 2i + 1, for positions p = first … first + T − 1.
inline at::Tensor sinusoids(int64_t first, int64_t T, int64_t C) {
  const at::Tensor rate = torch::exp(torch::arange(0, C, 2, torch::kFloat) * (-std::log(10000.0) / static_cast<double>(C)));
  const at::Tensor angle = torch::arange(first, first + T, torch::kFloat).unsqueeze(1) * rate;
  return torch::stack({torch::sin(angle), torch::cos(angle)}, 2).view({1, T, C});
}

}  // namespace tacet::transformer_parts
