// convolution.h on the own kernels where there are some for the shape, else on oneDNN. Making a primitive costs as much as a
// small convolution, so each thread keeps those of the shapes it met, with the packed weights they work in.
#include <array>
#include <cassert>
#include <map>
#include <memory>

#include <dnnl.hpp>

#include "kernels/convolution.h"
#include "kernels/convolution_direct.h"

namespace tacet {
namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::stream& stream() {
  thread_local dnnl::stream own(engine());
  return own;
}

memory::desc described(at::IntArrayRef sizes, memory::format_tag order) {
  return {memory::dims(sizes.begin(), sizes.end()), memory::data_type::f32, order};
}

memory over(const memory::desc& desc, const at::Tensor& t) { return {desc, engine(), t.data_ptr<float>()}; }

// Everything of one shape. Packed weights are valid within one call only.
struct Shape {
  memory::desc image_in, image_out, plain;
  memory forward_weights, input_weights, weights_gradient;
  dnnl::reorder pack_forward, pack_input, unpack_gradient;
  dnnl::convolution_forward forward;
  dnnl::convolution_backward_data backward_input;
  dnnl::convolution_backward_weights backward_weights;

  Shape(at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef y, const Convolution& c) {
    using Tag = memory::format_tag;
    image_in = described(x, Tag::nhwc);
    image_out = described(y, Tag::nhwc);
    plain = described(w, Tag::oihw);
    const memory::desc packed = described(w, Tag::any);
    const memory::dims stride = {c.stride, c.stride}, padding = {c.padding, c.padding};
    const auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc f(
        {dnnl::prop_kind::forward_training, direct, image_in, packed, image_out, stride, padding, padding}, engine());
    const dnnl::convolution_backward_data::primitive_desc i({direct, image_in, packed, image_out, stride, padding, padding},
                                                            engine(), f);
    const dnnl::convolution_backward_weights::primitive_desc g(
        {direct, image_in, packed, image_out, stride, padding, padding}, engine(), f);
    forward_weights = memory(f.weights_desc(), engine());
    input_weights = memory(i.weights_desc(), engine());
    weights_gradient = memory(g.diff_weights_desc(), engine());
    const auto reorder = [](const memory::desc& from, const memory::desc& to) {
      return dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from, engine(), to));
    };
    pack_forward = reorder(plain, f.weights_desc());
    pack_input = reorder(plain, i.weights_desc());
    unpack_gradient = reorder(g.diff_weights_desc(), plain);
    forward = dnnl::convolution_forward(f);
    backward_input = dnnl::convolution_backward_data(i);
    backward_weights = dnnl::convolution_backward_weights(g);
  }
};

constexpr size_t kShapes = 256;  // kept at a time: a few dozen a network and batch size

Shape& shape_of(const at::Tensor& x, const at::Tensor& w, const at::Tensor& y, const Convolution& c) {
  thread_local std::map<std::array<int64_t, 9>, std::unique_ptr<Shape>> known;
  assert(x.is_contiguous(at::MemoryFormat::ChannelsLast) && y.is_contiguous(at::MemoryFormat::ChannelsLast));
  assert(w.is_contiguous() && x.scalar_type() == at::kFloat && x.size(1) == w.size(1) && y.size(1) == w.size(0));
  const std::array<int64_t, 9> key = {x.size(0), x.size(1), x.size(2), x.size(3), w.size(0),
                                      w.size(2), w.size(3), c.stride,  c.padding};
  if (known.size() >= kShapes && !known.count(key)) known.clear();
  std::unique_ptr<Shape>& shape = known[key];
  if (!shape) shape = std::make_unique<Shape>(x.sizes(), w.sizes(), y.sizes(), c);
  return *shape;
}

void run(const dnnl::primitive& primitive, const Arguments& arguments) { primitive.execute(stream(), arguments); }

}  // namespace

bool fast_convolutions() { return true; }

void Convolution::forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& y) const {
  if (direct_forward(*this, x, w, y)) return;
  Shape& s = shape_of(x, w, y, *this);
  run(s.pack_forward, {{DNNL_ARG_FROM, over(s.plain, w)}, {DNNL_ARG_TO, s.forward_weights}});
  run(s.forward,
      {{DNNL_ARG_SRC, over(s.image_in, x)}, {DNNL_ARG_WEIGHTS, s.forward_weights}, {DNNL_ARG_DST, over(s.image_out, y)}});
  stream().wait();
}

void Convolution::backward_input(const at::Tensor& dy, const at::Tensor& w, const at::Tensor& dx) const {
  if (direct_backward_input(*this, dy, w, dx)) return;
  Shape& s = shape_of(dx, w, dy, *this);
  run(s.pack_input, {{DNNL_ARG_FROM, over(s.plain, w)}, {DNNL_ARG_TO, s.input_weights}});
  run(s.backward_input, {{DNNL_ARG_DIFF_DST, over(s.image_out, dy)},
                         {DNNL_ARG_WEIGHTS, s.input_weights},
                         {DNNL_ARG_DIFF_SRC, over(s.image_in, dx)}});
  stream().wait();
}

void Convolution::backward_weights(const at::Tensor& x, const at::Tensor& dy, const at::Tensor& dw) const {
  if (direct_backward_weights(*this, x, dy, dw)) return;
  Shape& s = shape_of(x, dw, dy, *this);
  run(s.backward_weights, {{DNNL_ARG_SRC, over(s.image_in, x)},
                           {DNNL_ARG_DIFF_DST, over(s.image_out, dy)},
                           {DNNL_ARG_DIFF_WEIGHTS, s.weights_gradient}});
  run(s.unpack_gradient, {{DNNL_ARG_FROM, s.weights_gradient}, {DNNL_ARG_TO, over(s.plain, dw)}});
  stream().wait();
}

}  // namespace tacet
