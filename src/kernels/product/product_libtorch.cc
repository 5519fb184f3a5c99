// product.h where oneDNN is missing: libtorch's products.
#include <stdexcept>

#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>

#include "kernels/product/product.h"

namespace tacet {

bool fast_products() { return false; }
bool bf16_products() { return false; }
std::string onednn_version() { return ""; }

void product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& y, bool add, Precision precision) {
  if (precision != Precision::f32) throw std::logic_error("no bf16 products without oneDNN");
  at::Tensor out = y;
  at::addmm_out(out, out, a, b, /*beta=*/add ? 1 : 0, /*alpha=*/1);
}

struct SharedFactor::Packed {
  at::Tensor b;
};

SharedFactor::SharedFactor(const at::Tensor& b, int64_t, Precision) : packed_(new Packed{b}) {}
SharedFactor::~SharedFactor() = default;

void SharedFactor::multiply(const float* a, int64_t rows, float* y, bool add) const {
  const at::Tensor& b = packed_->b;
  product(at::from_blob(const_cast<float*>(a), {rows, b.size(0)}), b, at::from_blob(y, {rows, b.size(1)}), add,
          Precision::f32);
}

}  // namespace tacet
