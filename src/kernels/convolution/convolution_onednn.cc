// convolution.h on tacet's kernels where there are some for the shape, else on oneDNN. Making a primitive costs as much as a
// small convolution, so each thread keeps those of the shapes it met, with the packed weights they work in. For bf16 the
// factors are rounded into memory that a thread keeps: one copy of an image is read once, by the convolution behind it.
#include <omp.h>

#include <array>
#include <cassert>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/ops/slice.h>
#include <dnnl.hpp>

#include "kernels/convolution/convolution.h"
#include "kernels/convolution/convolution_winograd.h"
#include "kernels/product/onednn.h"
#include "kernels/trust/kernel_paths.h"

namespace tacet {
namespace {

using dnnl::memory;
using onednn::engine;
using onednn::stream;
using Arguments = std::unordered_map<int, memory>;

using Type = memory::data_type;
using Tag = memory::format_tag;

memory::desc described(at::IntArrayRef sizes, Type type, Tag order) {
  return {memory::dims(sizes.begin(), sizes.end()), type, order};
}

memory over(const memory::desc& desc, const at::Tensor& t) { return {desc, engine(), t.data_ptr<float>()}; }

void run(const dnnl::primitive& primitive, const Arguments& arguments) { primitive.execute(stream(), arguments); }

// An image as a factor of a convolution: as it is, or rounded on the way in.
struct Factor {
  memory::desc plain, taken;
  bool rounded = false;

  Factor() = default;
  Factor(at::IntArrayRef sizes, Type type)
      : plain(described(sizes, Type::f32, Tag::nhwc)),
        taken(described(sizes, type, Tag::nhwc)),
        rounded(type == Type::bf16) {}
  // t itself, or its rounded copy in `room`, which grows to the largest ever asked for.
  memory of(const at::Tensor& t, std::vector<uint16_t>& room) const {
    if (!rounded) return over(plain, t);
    if (room.size() < static_cast<size_t>(t.numel())) room.resize(static_cast<size_t>(t.numel()));
    round_values(t.data_ptr<float>(), t.numel(), room.data());
    return {taken, engine(), room.data()};
  }
};

// Weights in the order that a convolution chose for them.
struct PackedWeights {
  memory held;
  WeightOrder way;
  bool rounded = false;

  PackedWeights() = default;
  PackedWeights(at::IntArrayRef w, const memory::desc& order, Type type)
      : held(order, engine()),
        way(onednn::weight_order({w[0], w[1], w[2], w[3]}, {w[1] * w[2] * w[3], w[2] * w[3], w[3], 1}, order, type)),
        rounded(type == Type::bf16) {}
  const memory& of(const at::Tensor& w) const {
    if (rounded)
      way.pack(w.data_ptr<float>(), static_cast<uint16_t*>(held.get_data_handle()));
    else
      way.pack(w.data_ptr<float>(), static_cast<float*>(held.get_data_handle()));
    return held;
  }
  void give(const at::Tensor& w) const {
    way.unpack(static_cast<const float*>(held.get_data_handle()), w.data_ptr<float>());
  }
};

struct Rooms {
  std::vector<uint16_t> in, out;
  std::vector<float> scratch;
};
Rooms& rooms() {
  thread_local Rooms own;
  return own;
}

// Memory behind a primitive's scratchpad that is ours as well. On processors without AVX-512, oneDNN 2.6 writes some values
// past the scratchpad of 1 × 1 convolutions with a stride.
constexpr size_t kScratchSlack = 1024;  // floats

// Returns a scratchpad in memory that the thread keeps.
memory scratchpad(const memory::desc& desc) {
  std::vector<float>& room = rooms().scratch;
  const size_t needed = desc.get_size() / sizeof(float) + kScratchSlack;
  if (room.size() < needed) room.resize(needed);
  void* aligned = room.data();
  size_t space = room.size() * sizeof(float);
  std::align(64, desc.get_size(), aligned, space);
  return {desc, engine(), aligned};
}

// Everything of one shape. Packed weights are valid within one call only. Throws dnnl::error where oneDNN has no such
// convolution.
struct Shape {
  Type type;  // the factors'
  Factor image_in, image_out;
  memory::desc forward_scratch, input_scratch, weights_scratch;
  PackedWeights forward_weights, input_weights, weights_gradient;
  dnnl::convolution_forward forward;
  dnnl::convolution_backward_data backward_input;
  dnnl::convolution_backward_weights backward_weights;
  bool fast = true;  // none of the three is oneDNN's reference implementation

  Shape(at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef y, const Convolution& c, Type t)
      : type(t), image_in(x, t), image_out(y, t) {
    const memory::desc packed = described(w, t, Tag::any), gradient = described(w, Type::f32, Tag::any);
    const onednn::ConvolutionSides sides = {{c.stride, c.stride}, {c.padding, c.padding}};
    dnnl::primitive_attr own_scratch;
    own_scratch.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const auto forward_desc = [&](const memory::desc& out) {
      return onednn::forward_desc(engine(), image_in.taken, packed, out, sides, own_scratch);
    };
    const auto f = forward_desc(image_out.plain), hint = forward_desc(image_out.taken);
    const auto i = onednn::backward_input_desc(engine(), image_in.plain, packed, image_out.taken, sides, own_scratch, hint);
    const auto g =
        onednn::backward_weights_desc(engine(), image_in.taken, gradient, image_out.taken, sides, own_scratch, hint);
    for (const char* const name : {f.impl_info_str(), i.impl_info_str(), g.impl_info_str()})
      if (std::string(name).rfind("ref", 0) == 0) fast = false;
    forward_scratch = f.scratchpad_desc();
    input_scratch = i.scratchpad_desc();
    weights_scratch = g.scratchpad_desc();
    forward_weights = {w, f.weights_desc(), t};
    input_weights = {w, i.weights_desc(), t};
    weights_gradient = {w, g.diff_weights_desc(), Type::f32};
    forward = dnnl::convolution_forward(f);
    backward_input = dnnl::convolution_backward_data(i);
    backward_weights = dnnl::convolution_backward_weights(g);
  }
};

// Returns true for 1 × 1 convolutions with an odd number of maps. oneDNN 2.6 gets x's gradient in bf16 wrong there for some
// images (9 × 20).
bool wrong_in_bf16(at::IntArrayRef w) { return w[2] == 1 && w[3] == 1 && w[0] % 2 == 1; }

// Makes the shape in bf16 where that is asked for, right and fast, else in f32.
std::unique_ptr<Shape> made(at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef y, const Convolution& c) {
  if (c.precision == Precision::bf16 && !wrong_in_bf16(w) && !refused(Kernel::convolutions_bf16)) {
    try {
      auto rounding = std::make_unique<Shape>(x, w, y, c, Type::bf16);
      if (rounding->fast) return rounding;
    } catch (const dnnl::error& e) {
      if (e.status != dnnl_unimplemented) throw;
    }
  }
  return std::make_unique<Shape>(x, w, y, c, Type::f32);
}

// Returns true for 1 × 1 convolutions with a stride that read fewer maps than a register holds. For the weights' gradient,
// oneDNN 2.6 and 3.7 copy the pixels that count into a place a thread, which is too small then on processors without
// AVX-512: threads write into each other's, and now and then the gradient is wrong.
bool writes_into_other_threads_memory(const at::Tensor& w, const Convolution& c) {
  return w.size(2) == 1 && w.size(3) == 1 && c.stride > 1 && c.padding == 0 && w.size(1) < 8;
}

constexpr size_t kShapes = 256;  // kept at a time: a few dozen a network and batch size

Shape& shape_of(const at::Tensor& x, const at::Tensor& w, const at::Tensor& y, const Convolution& c) {
  thread_local std::map<std::array<int64_t, 11>, std::unique_ptr<Shape>> known;
  assert(x.is_contiguous(at::MemoryFormat::ChannelsLast) && y.is_contiguous(at::MemoryFormat::ChannelsLast));
  assert(w.is_contiguous() && x.scalar_type() == at::kFloat && x.size(1) == w.size(1) && y.size(1) == w.size(0));
  const bool rounds = c.precision == Precision::bf16 && !refused(Kernel::convolutions_bf16);
  // oneDNN lays down with a primitive how threads share its sums, so one made for other threads would give other bits.
  const std::array<int64_t, 11> key = {x.size(0),
                                       x.size(1),
                                       x.size(2),
                                       x.size(3),
                                       w.size(0),
                                       w.size(2),
                                       w.size(3),
                                       c.stride,
                                       c.padding,
                                       rounds,
                                       omp_get_max_threads()};
  if (known.size() >= kShapes && !known.count(key)) known.clear();
  std::unique_ptr<Shape>& shape = known[key];
  if (!shape) shape = made(x.sizes(), w.sizes(), y.sizes(), c);
  return *shape;
}

}  // namespace

bool fast_convolutions() { return !refused(Kernel::convolutions); }

Precision Convolution::taken(const at::Tensor& x, const at::Tensor& w, const at::Tensor& y) const {
  if (precision == Precision::f32) return precision;
  return shape_of(x, w, y, *this).type == Type::bf16 ? Precision::bf16 : Precision::f32;
}

void Convolution::forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& y) const {
  if (winograd_forward(*this, x, w, y)) return;
  Shape& s = shape_of(x, w, y, *this);
  run(s.forward, {{DNNL_ARG_SRC, s.image_in.of(x, rooms().in)},
                  {DNNL_ARG_WEIGHTS, s.forward_weights.of(w)},
                  {DNNL_ARG_DST, over(s.image_out.plain, y)},
                  {DNNL_ARG_SCRATCHPAD, scratchpad(s.forward_scratch)}});
  stream().wait();
}

void Convolution::backward_input(const at::Tensor& dy, const at::Tensor& w, const at::Tensor& dx) const {
  if (winograd_backward_input(*this, dy, w, dx)) return;
  Shape& s = shape_of(dx, w, dy, *this);
  run(s.backward_input, {{DNNL_ARG_DIFF_DST, s.image_out.of(dy, rooms().out)},
                         {DNNL_ARG_WEIGHTS, s.input_weights.of(w)},
                         {DNNL_ARG_DIFF_SRC, over(s.image_in.plain, dx)},
                         {DNNL_ARG_SCRATCHPAD, scratchpad(s.input_scratch)}});
  stream().wait();
}

void Convolution::backward_weights(const at::Tensor& x, const at::Tensor& dy, const at::Tensor& dw) const {
  if (winograd_backward_weights(*this, x, dy, dw)) return;
  if (writes_into_other_threads_memory(dw, *this) && taken(x, dw, dy) == Precision::f32) {
    const at::Tensor read = at::slice(at::slice(x, 2, 0, c10::nullopt, stride), 3, 0, c10::nullopt, stride);
    return Convolution{1, 0}.backward_weights(read.contiguous(at::MemoryFormat::ChannelsLast), dy, dw);
  }
  Shape& s = shape_of(x, dw, dy, *this);
  run(s.backward_weights, {{DNNL_ARG_SRC, s.image_in.of(x, rooms().in)},
                           {DNNL_ARG_DIFF_DST, s.image_out.of(dy, rooms().out)},
                           {DNNL_ARG_DIFF_WEIGHTS, s.weights_gradient.held},
                           {DNNL_ARG_SCRATCHPAD, scratchpad(s.weights_scratch)}});
  stream().wait();
  s.weights_gradient.give(dw);
}

}  // namespace tacet
