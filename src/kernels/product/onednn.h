// oneDNN's engine, the stream of each thread, and the way into the order that it chooses for weights, for the sources that
// call it.
#pragma once

#include <stdexcept>

#include "kernels/product/onednn_version.h"

namespace tacet::onednn {

inline const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

inline dnnl::stream& stream() {
  thread_local dnnl::stream own(engine());
  return own;
}

// Returns the way from a tensor of floats to one in the order of `to`, of floats or bf16 numbers, and back.
inline WeightOrder weight_order(const Dims& sizes, const Dims& strides, const memory::desc& to, memory::data_type type) {
  const BlockOrder order = block_order(to);
  const size_t bytes = static_cast<size_t>(order.values()) * (type == memory::data_type::bf16 ? 2 : 4);
  if (bytes != to.get_size()) throw std::logic_error("oneDNN wants weights in an order that is none of blocks");
  return {sizes, strides, order};
}

}  // namespace tacet::onednn
