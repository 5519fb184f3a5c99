// product.h on oneDNN's matmul primitive. Building a primitive costs as much as a small product, so each thread keeps the
// ones it used last; so are the buffers that they work in, which saves the page faults of fresh memory.
#include <array>
#include <cstdlib>
#include <list>
#include <map>
#include <new>
#include <stdexcept>
#include <unordered_map>

#include <omp.h>

#include <dnnl.hpp>

#include "kernels/product/bf16.h"
#include "kernels/product/onednn.h"
#include "kernels/product/panels.h"
#include "kernels/product/product.h"
#include "kernels/trust/kernel_paths.h"

namespace tacet {
namespace {

using dnnl::memory;
using onednn::engine;
using onednn::stream;

memory::data_type type(Precision p) { return p == Precision::bf16 ? memory::data_type::bf16 : memory::data_type::f32; }

// A buffer that grows and is never given back before its thread ends.
class Buffer {
 public:
  ~Buffer() { std::free(data_); }
  void* of(size_t bytes) {
    if (bytes <= size_) return data_;
    std::free(data_);
    size_ = (bytes + 4095) / 4096 * 4096;
    data_ = std::aligned_alloc(4096, size_);
    if (!data_) throw std::bad_alloc();
    return data_;
  }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

struct Buffers {
  Buffer scratch, left, right;
};
Buffers& buffers() {
  thread_local Buffers own;
  return own;
}

// Row- or column-major with the distance between neighbouring rows or columns.
struct Order {
  bool rows;
  int64_t distance;
};

Order order(const at::Tensor& t) {
  if (t.size(1) == 1 || t.stride(1) == 1) {
    const int64_t distance = t.size(0) == 1 ? t.size(1) : t.stride(0);
    if (distance >= t.size(1)) return {true, distance};
  }
  if (t.size(0) == 1 || t.stride(0) == 1) {
    const int64_t distance = t.size(1) == 1 ? t.size(0) : t.stride(1);
    if (distance >= t.size(0)) return {false, distance};
  }
  throw std::logic_error("a factor's rows or columns must be contiguous");
}

memory::desc described(int64_t rows, int64_t columns, memory::data_type type, Order order) {
  return {{rows, columns}, type, order.rows ? memory::dims{order.distance, 1} : memory::dims{1, order.distance}};
}

// One product of fixed shape, ready to run.
struct Plan {
  Plan(const memory::desc& a, const memory::desc& b, const memory::desc& y, bool add) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (add) {
      dnnl::post_ops sum;
      sum.append_sum(1);
      attributes.set_post_ops(sum);
    }
    const auto d = onednn::product_desc(engine(), a, b, y, attributes);
    matmul = dnnl::matmul(d);
    left = memory(d.src_desc(), engine(), nullptr);
    right = memory(d.weights_desc(), engine(), nullptr);
    out = memory(d.dst_desc(), engine(), nullptr);
    scratch = memory(d.scratchpad_desc(), engine(), nullptr);
    arguments = {{DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, right}, {DNNL_ARG_DST, out}, {DNNL_ARG_SCRATCHPAD, scratch}};
  }
  void run(const void* a, const void* b, float* y) {
    left.set_data_handle(const_cast<void*>(a));
    right.set_data_handle(const_cast<void*>(b));
    out.set_data_handle(y);
    scratch.set_data_handle(buffers().scratch.of(scratch.get_desc().get_size()));
    matmul.execute(stream(), arguments);
  }
  dnnl::matmul matmul;
  memory left, right, out, scratch;
  std::unordered_map<int, memory> arguments;
  WeightOrder to_left, to_right;  // of a product of two matrices in bf16; of a packed factor, to_right alone
};

// Everything that the choice of a primitive depends on. 0 for a right factor in the primitive's own order.
using Key = std::array<int64_t, 10>;

// The plans used last by this thread.
class Plans {
 public:
  template <class Make>
  Plan& of(const Key& key, Make make) {
    if (const auto known = places_.find(key); known != places_.end()) {
      plans_.splice(plans_.begin(), plans_, known->second);
      return plans_.front().second;
    }
    if (plans_.size() == most) {
      places_.erase(plans_.back().first);
      plans_.pop_back();
    }
    plans_.emplace_front(key, make());
    places_[key] = plans_.begin();
    return plans_.front().second;
  }

 private:
  static constexpr size_t most = 256;
  std::list<std::pair<Key, Plan>> plans_;
  std::map<Key, std::list<std::pair<Key, Plan>>::iterator> places_;
};

Plans& plans() {
  thread_local Plans own;
  return own;
}

// Returns the way of a matrix into the order that a plan has for it.
WeightOrder packing(const at::Tensor& t, const memory& into, memory::data_type type) {
  return onednn::weight_order({t.size(0), t.size(1), 1, 1}, {t.stride(0), t.stride(1), 0, 0}, into.get_desc(), type);
}

// Returns the matrix with its numbers rounded to bf16, in floats: for products that are right, but slow.
at::Tensor rounded(const at::Tensor& t) { return t.to(at::kBFloat16).to(at::kFloat); }

uint64_t* words(const at::Tensor& t) { return t.defined() ? reinterpret_cast<uint64_t*>(t.data_ptr<int64_t>()) : nullptr; }

}  // namespace

bool fast_products() { return !refused(Kernel::products); }

bool bf16_products() {
  static const bool has = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core_bf16;
  return has;
}

std::string onednn_version() { return onednn::version(); }

void product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& y, bool add, Precision precision) {
  const bool round = precision == Precision::bf16;
  if (round && refused(Kernel::products_bf16)) return product(rounded(a), rounded(b), y, add, Precision::f32);
  // oneDNN 3.7 takes the numbers of a single row for neighbours, whatever their distance.
  if (!round && a.size(0) == 1 && a.size(1) > 1 && a.stride(1) != 1) return product(a.contiguous(), b, y, add, precision);
  const int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  const Order left = order(a), right = order(b), out = order(y);
  const memory::desc y_order = described(m, n, memory::data_type::f32, {true, out.distance});
  const Key key = {m,
                   k,
                   n,
                   left.rows ? left.distance : -left.distance,
                   right.rows ? right.distance : -right.distance,
                   out.distance,
                   add,
                   round,
                   omp_get_max_threads(),
                   0};
  Plan& plan = plans().of(key, [&] {
    if (!round)
      return Plan(described(m, k, memory::data_type::f32, left), described(k, n, memory::data_type::f32, right), y_order,
                  add);
    Plan made(described(m, k, memory::data_type::bf16, {true, k}),
              memory::desc({k, n}, memory::data_type::bf16, memory::format_tag::any), y_order, add);
    made.to_left = packing(a, made.left, memory::data_type::bf16);
    made.to_right = packing(b, made.right, memory::data_type::bf16);
    return made;
  });
  if (!round) return plan.run(a.data_ptr<float>(), b.data_ptr<float>(), y.data_ptr<float>());
  auto* const rounded_a = static_cast<uint16_t*>(buffers().left.of(plan.left.get_desc().get_size()));
  auto* const rounded_b = static_cast<uint16_t*>(buffers().right.of(plan.right.get_desc().get_size()));
  plan.to_left.pack(a.data_ptr<float>(), rounded_a);
  plan.to_right.pack(b.data_ptr<float>(), rounded_b);
  plan.run(rounded_a, rounded_b, y.data_ptr<float>());
}

// The most rows for which multiply_panels is faster.
constexpr int64_t panel_rows = 24;

struct SharedFactor::Packed {
  int64_t k, n, rows;
  Precision precision;  // of the products: f32 where bf16's are refused
  bool rounds_left;     // left factors are rounded to bf16, and stay floats where `precision` is f32
  memory::desc order;
  at::Tensor bytes, kept;  // kept: of panels without zeros
  bool in_panels = false, last_first = false;
  int64_t row_step = 0, column_step = 0;  // of b

  // The first plan chooses the order of b, which every other number of rows then takes.
  Plan& plan(int64_t m, bool add) const {
    const Key key = {m,   k, n, in_panels, row_step, column_step, add, precision == Precision::bf16, omp_get_max_threads(),
                     rows};
    return plans().of(key, [&] {
      const memory::desc y({m, n}, memory::data_type::f32, memory::format_tag::ab);
      return Plan(memory::desc({m, k}, type(precision), memory::format_tag::ab), order, y, add);
    });
  }
  void pack(const at::Tensor& b);
  const void* left(const float* a, int64_t count) const;
};

void SharedFactor::Packed::pack(const at::Tensor& b) {
  const bool round = precision == Precision::bf16;
  if (in_panels && !round) {
    bytes = at::empty({panel_floats(k, n)}, at::kFloat);
    if (rows <= rows_at_once) kept = at::empty({panel_lines(k, n)}, at::kLong);
    if (!pack_panels({b.data_ptr<float>(), b.stride(0), b.stride(1)}, k, n, bytes.data_ptr<float>(), words(kept)))
      kept = at::Tensor();
    return;
  }
  WeightOrder way;
  if (in_panels) {
    order = memory::desc({k, n}, type(precision), memory::format_tag::BA16a64b2a);
    way = packing(b, memory(order, engine(), nullptr), type(precision));
  } else {
    row_step = b.stride(0), column_step = b.stride(1);
    order = memory::desc({k, n}, type(precision), memory::format_tag::any);
    Plan& first = plan(rows, false);
    order = first.right.get_desc();
    if (first.to_right.empty()) first.to_right = packing(b, first.right, type(precision));
    way = first.to_right;
  }
  bytes = at::empty({static_cast<int64_t>(order.get_size())}, at::kByte);
  if (round)
    way.pack(b.data_ptr<float>(), static_cast<uint16_t*>(bytes.data_ptr()));
  else
    way.pack(b.data_ptr<float>(), static_cast<float*>(bytes.data_ptr()));
}

// Returns the left factor a [count, k] in the form that the products take, where need be in a buffer of the thread.
const void* SharedFactor::Packed::left(const float* a, int64_t count) const {
  if (!rounds_left) return a;
  if (precision == Precision::f32) {
    auto* const to = static_cast<float*>(buffers().left.of(static_cast<size_t>(count * k) * sizeof(float)));
    for (int64_t i = 0; i < count * k; ++i) to[i] = float_of(nearest_bf16(a[i]));
    return to;
  }
  // The panels take rows of pairs.
  const int64_t distance = in_panels ? (k + 1) / 2 * 2 : k;
  void* const to = buffers().left.of(static_cast<size_t>(count * distance) * sizeof(uint16_t) + 64);
  if (in_panels)
    round_to_pairs(a, count, k, static_cast<uint16_t*>(to));
  else
    round_values(a, count * k, static_cast<uint16_t*>(to));
  return to;
}

SharedFactor::SharedFactor(const at::Tensor& b, int64_t rows, Precision precision)
    : packed_(new Packed{b.size(0), b.size(1), rows, precision, precision == Precision::bf16, {}, {}, {}}) {
  const bool emulated = precision == Precision::bf16 && refused(Kernel::products_bf16);
  if (emulated) packed_->precision = Precision::f32;
  packed_->in_panels = rows <= panel_rows && has_panels(packed_->precision == Precision::bf16);
  packed_->pack(emulated ? rounded(b) : b);
}

SharedFactor::~SharedFactor() = default;

void SharedFactor::multiply(const float* a, int64_t rows, float* y, bool add) const {
  Packed& p = *packed_;
  const void* const left = p.left(a, rows);
  if (!p.in_panels) return p.plan(rows, add).run(left, p.bytes.data_ptr(), y);
  multiply_panels(left, rows, {p.bytes.data_ptr(), p.k, p.n, p.precision == Precision::bf16, words(p.kept)}, y, add,
                  p.last_first);
  p.last_first = !p.last_first;
}

}  // namespace tacet
