// Implements ModelPart: the blocks of a model and their turns. See tacet/algorithm.h for the contract.
#include <algorithm>
#include <cctype>
#include <set>

#include <ATen/ops/empty.h>

#include "tacet/algorithm.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Returns what the names of a block's layers have in common: all up to the first component that is a number, or without one
// all but the last component.
std::string block_of_layer(const std::string& name) {
  for (size_t first = 0, dot; (dot = name.find('.', first)) != std::string::npos; first = dot + 1)
    if (dot > first &&
        std::all_of(name.begin() + static_cast<std::ptrdiff_t>(first), name.begin() + static_cast<std::ptrdiff_t>(dot),
                    [](unsigned char c) { return std::isdigit(c) != 0; }))
      return name.substr(0, dot);
  return name.substr(0, name.rfind('.'));
}

}  // namespace

int64_t ModelPart::size() const {
  int64_t n = 0;
  for (const Layer& layer : layers) n += layer.size;
  return n;
}

Vec ModelPart::of(const Vec& x) const {
  Vec values = at::empty({size()});
  int64_t at = 0;
  for (const Layer& layer : layers) {
    values.narrow(0, at, layer.size).copy_(x.narrow(0, layer.offset, layer.size));
    at += layer.size;
  }
  return values;
}

void ModelPart::put(const Vec& values, const Vec& x) const {
  int64_t at = 0;
  for (const Layer& layer : layers) {
    x.narrow(0, layer.offset, layer.size).copy_(values.narrow(0, at, layer.size));
    at += layer.size;
  }
}

std::vector<ModelPart> parts_in_turn(std::span<const Layer> layers, int count, const std::string& option) {
  std::vector<ModelPart> parts(static_cast<size_t>(count));
  for (int number = 0; number < count; ++number) parts[static_cast<size_t>(number)].number = number;
  int blocks = 0;
  std::string before;
  for (const Layer& layer : layers) {
    const std::string block = block_of_layer(layer.name);
    if (blocks == 0 || block != before) ++blocks;
    before = block;
    parts[static_cast<size_t>((blocks - 1) % count)].layers.push_back(layer);
  }
  if (count > blocks)
    throw UserError(option + " must be <= " + std::to_string(blocks) + ", the blocks of the model, got " +
                    std::to_string(count));
  return parts;
}

}  // namespace tacet
