// oneDNN's engine and the stream of each thread, for the sources that call it.
#pragma once

#include <dnnl.hpp>

namespace tacet::onednn {

inline const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

inline dnnl::stream& stream() {
  thread_local dnnl::stream own(engine());
  return own;
}

}  // namespace tacet::onednn
