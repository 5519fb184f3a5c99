// See image_layers.h.
#include "models/images/image_layers.h"

#include <algorithm>
#include <cmath>

#include <torch/types.h>

#include "tacet/error.h"

namespace tacet {
namespace {

torch::Tensor initial(std::vector<int64_t> shape, Init init, double fan_in, double fan_out, Weights& weights) {
  torch::Tensor t = torch::zeros(shape);
  float* p = t.data_ptr<float>();
  Stream stream = weights.next(t.numel() * (init == Init::he ? 4 : 1));  // a normal takes four words
  if (init == Init::fan_in) {
    stream.fill_uniform(p, t.numel());
    const double range = 1 / std::sqrt(fan_in);
    t.mul_(2 * range).sub_(range);
  } else if (init == Init::he) {
    const double deviation = std::sqrt(2 / fan_out);
    for (int64_t k = 0; k < t.numel(); ++k) p[k] = static_cast<float>(deviation * stream.normal());
  }
  return t;
}

torch::Tensor masked(const torch::Tensor& x, std::vector<int64_t> shape, double p, const Stream* masks, int part) {
  if (!masks || p == 0) return x;
  torch::Tensor mask = torch::empty(shape);
  masks->part(part).fill_bernoulli(mask.data_ptr<float>(), mask.numel(), 1 - p, static_cast<float>(1 / (1 - p)));
  return x * mask;
}

}  // namespace

Linear::Linear(int64_t in, int64_t out, Weights& weights, Init init) : precision_(weights.precision()) {
  const auto fan_in = static_cast<double>(in), fan_out = static_cast<double>(out);
  weight_ = register_parameter("weight", initial({out, in}, init, fan_in, fan_out, weights));
  bias_ = register_parameter("bias", initial({out}, init == Init::he ? Init::zero : init, fan_in, fan_out, weights));
}

Conv::Conv(const Shape& s, Weights& weights, Init init) : shape_{s.stride, s.padding, weights.precision()} {
  const auto area = static_cast<double>(s.kernel * s.kernel);
  const double fan_in = static_cast<double>(s.in) * area, fan_out = static_cast<double>(s.out) * area;
  weight_ = register_parameter("weight", initial({s.out, s.in, s.kernel, s.kernel}, init, fan_in, fan_out, weights));
  if (s.bias)
    bias_ = register_parameter("bias", initial({s.out}, init == Init::he ? Init::zero : init, fan_in, fan_out, weights));
}

void need_side(const std::string& model, const ImageShape& shape, int64_t least) {
  if (std::min(shape.height, shape.width) >= least) return;
  throw UserError("model.name: " + model + " needs images of at least " + std::to_string(least) + " × " +
                  std::to_string(least) + ", got " + std::to_string(shape.height) + " × " + std::to_string(shape.width));
}

torch::Tensor channels_last(const torch::Tensor& x) { return x.contiguous(torch::MemoryFormat::ChannelsLast); }

torch::Tensor dropout(const torch::Tensor& x, double p, const Stream* masks, int part) {
  return masked(x, x.sizes().vec(), p, masks, part);
}

torch::Tensor dropout_maps(const torch::Tensor& x, double p, const Stream* masks, int part) {
  return masked(x, {x.size(0), x.size(1), 1, 1}, p, masks, part);
}

}  // namespace tacet
