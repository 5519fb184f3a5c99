// See weight_drop.h.
#include "kernels/recurrent/weight_drop.h"

#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "base/multiversion.h"

namespace tacet {
namespace {

using torch::Tensor;

constexpr int64_t kChunk = 4096;  // weights whose draws stay in the nearest cache

TACET_MULTIVERSION void dropped(int64_t n, const float* __restrict w, const float* __restrict mask, float* __restrict out,
                                uint8_t* __restrict kept) {
  for (int64_t i = 0; i < n; ++i) {
    out[i] = w[i] * mask[i];
    kept[i] = mask[i] != 0;
  }
}

TACET_MULTIVERSION void through(int64_t n, const float* __restrict d, const uint8_t* __restrict kept, float scale,
                                float* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = d[i] * (kept[i] ? scale : 0.0f);
}

float scale_of(double p) { return static_cast<float>(1 / (1 - p)); }

struct WeightDrop : torch::autograd::Function<WeightDrop> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& w, double p, Stream draw) {
    const Tensor out = at::empty_like(w), kept = at::empty(w.sizes(), at::kByte);
    float mask[kChunk];
    for (int64_t at = 0; at < w.numel(); at += kChunk) {
      const int64_t n = std::min(kChunk, w.numel() - at);
      draw.fill_bernoulli(mask, n, 1 - p, scale_of(p));
      dropped(n, w.data_ptr<float>() + at, mask, out.data_ptr<float>() + at, kept.data_ptr<uint8_t>() + at);
    }
    ctx->save_for_backward({kept});
    ctx->saved_data["p"] = p;
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const Tensor kept = ctx->get_saved_variables()[0], d = grads[0].contiguous(), dw = at::empty_like(d);
    through(d.numel(), d.data_ptr<float>(), kept.data_ptr<uint8_t>(), scale_of(ctx->saved_data["p"].toDouble()),
            dw.data_ptr<float>());
    return {dw, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor weight_drop_naive(const Tensor& w, double p, const Stream& draw) {
  const Tensor mask = at::empty(w.sizes(), at::kFloat);
  Stream(draw).fill_bernoulli(mask.data_ptr<float>(), mask.numel(), 1 - p, scale_of(p));
  return w * mask.to(w.options());
}

Tensor weight_drop(const Tensor& w, double p, const Stream& draw) {
  if (w.scalar_type() != at::kFloat || !w.device().is_cpu() || !w.is_contiguous()) return weight_drop_naive(w, p, draw);
  return WeightDrop::apply(w, p, draw);
}

}  // namespace tacet
