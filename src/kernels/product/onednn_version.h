// The calls that differ between oneDNN 2 and 3, under one name each. No other file asks for the version.
#pragma once

#include <algorithm>
#include <string>

#include <dnnl.hpp>

#include "kernels/product/weight_order.h"

namespace tacet::onednn {

using dnnl::memory;

// A convolution's two sides, as oneDNN takes them.
struct ConvolutionSides {
  memory::dims stride, padding;
};

inline std::string version() {
  const dnnl_version_t* const v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

#if DNNL_VERSION_MAJOR >= 3

inline dnnl::matmul::primitive_desc product_desc(const dnnl::engine& engine, const memory::desc& a, const memory::desc& b,
                                                 const memory::desc& y, const dnnl::primitive_attr& attributes) {
  return {engine, a, b, y, attributes};
}

inline dnnl::convolution_forward::primitive_desc forward_desc(const dnnl::engine& engine, const memory::desc& x,
                                                              const memory::desc& w, const memory::desc& y,
                                                              const ConvolutionSides& s,
                                                              const dnnl::primitive_attr& attributes) {
  return {engine,
          dnnl::prop_kind::forward_training,
          dnnl::algorithm::convolution_direct,
          x,
          w,
          y,
          s.stride,
          s.padding,
          s.padding,
          attributes};
}

inline dnnl::convolution_backward_data::primitive_desc backward_input_desc(
    const dnnl::engine& engine, const memory::desc& dx, const memory::desc& w, const memory::desc& dy,
    const ConvolutionSides& s, const dnnl::primitive_attr& attributes,
    const dnnl::convolution_forward::primitive_desc& forward) {
  return {engine, dnnl::algorithm::convolution_direct, dx, w, dy, s.stride, s.padding, s.padding, forward, attributes};
}

inline dnnl::convolution_backward_weights::primitive_desc backward_weights_desc(
    const dnnl::engine& engine, const memory::desc& x, const memory::desc& dw, const memory::desc& dy,
    const ConvolutionSides& s, const dnnl::primitive_attr& attributes,
    const dnnl::convolution_forward::primitive_desc& forward) {
  return {engine, dnnl::algorithm::convolution_direct, x, dw, dy, s.stride, s.padding, s.padding, forward, attributes};
}

// Returns the order in memory that a descriptor stands for; of one value where it is no order of blocks.
inline BlockOrder block_order(const memory::desc& desc) {
  BlockOrder order;
  if (desc.get_format_kind() != memory::format_kind::blocked) return order;
  const memory::dims padded = desc.get_padded_dims(), strides = desc.get_strides(), sizes = desc.get_inner_blks(),
                     dims = desc.get_inner_idxs();
  std::copy(padded.begin(), padded.end(), order.padded.begin());
  std::copy(strides.begin(), strides.end(), order.strides.begin());
  for (int k = 0; k < desc.get_inner_nblks(); ++k)
    order.inner.push_back({static_cast<int>(dims[static_cast<size_t>(k)]), sizes[static_cast<size_t>(k)]});
  return order;
}

#else

inline dnnl::matmul::primitive_desc product_desc(const dnnl::engine& engine, const memory::desc& a, const memory::desc& b,
                                                 const memory::desc& y, const dnnl::primitive_attr& attributes) {
  return {dnnl::matmul::desc(a, b, y), attributes, engine};
}

inline dnnl::convolution_forward::primitive_desc forward_desc(const dnnl::engine& engine, const memory::desc& x,
                                                              const memory::desc& w, const memory::desc& y,
                                                              const ConvolutionSides& s,
                                                              const dnnl::primitive_attr& attributes) {
  return {{dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, x, w, y, s.stride, s.padding, s.padding},
          attributes,
          engine};
}

inline dnnl::convolution_backward_data::primitive_desc backward_input_desc(
    const dnnl::engine& engine, const memory::desc& dx, const memory::desc& w, const memory::desc& dy,
    const ConvolutionSides& s, const dnnl::primitive_attr& attributes,
    const dnnl::convolution_forward::primitive_desc& forward) {
  return {{dnnl::algorithm::convolution_direct, dx, w, dy, s.stride, s.padding, s.padding}, attributes, engine, forward};
}

inline dnnl::convolution_backward_weights::primitive_desc backward_weights_desc(
    const dnnl::engine& engine, const memory::desc& x, const memory::desc& dw, const memory::desc& dy,
    const ConvolutionSides& s, const dnnl::primitive_attr& attributes,
    const dnnl::convolution_forward::primitive_desc& forward) {
  return {{dnnl::algorithm::convolution_direct, x, dw, dy, s.stride, s.padding, s.padding}, attributes, engine, forward};
}

// Returns the order in memory that a descriptor stands for; of one value where it is no order of blocks.
inline BlockOrder block_order(const memory::desc& desc) {
  const dnnl_memory_desc_t& d = desc.data;
  BlockOrder order;
  if (d.format_kind != dnnl_blocked || d.extra.flags != 0) return order;
  const dnnl_blocking_desc_t& blocks = d.format_desc.blocking;
  std::copy_n(d.padded_dims, d.ndims, order.padded.begin());
  std::copy_n(blocks.strides, d.ndims, order.strides.begin());
  for (int k = 0; k < blocks.inner_nblks; ++k)
    order.inner.push_back({static_cast<int>(blocks.inner_idxs[k]), blocks.inner_blks[k]});
  return order;
}

#endif

}  // namespace tacet::onednn
