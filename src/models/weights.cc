// See weights.h.
#include "models/weights.h"

#include <cmath>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "tacet/error.h"

namespace tacet {

at::Tensor uniform(const std::vector<int64_t>& shape, double range, Stream stream) {
  torch::Tensor t = torch::empty(shape);
  stream.fill_uniform(t.data_ptr<float>(), t.numel());
  return t.mul_(2 * range).sub_(range);
}

at::Tensor mask(const std::vector<int64_t>& shape, double p, Stream stream) {
  torch::Tensor t = torch::empty(shape);
  stream.fill_bernoulli(t.data_ptr<float>(), t.numel(), 1 - p, static_cast<float>(1 / (1 - p)));
  return t;
}

at::Tensor named(torch::nn::Module& parent, const std::string& child, const std::string& name, at::Tensor value) {
  std::shared_ptr<torch::nn::Module> holder;
  if (const auto* found = parent.named_children().find(child))
    holder = *found;
  else
    holder = parent.register_module(child, std::make_shared<torch::nn::Module>(child));
  return holder->register_parameter(name, std::move(value));
}

at::Tensor InitialWeights::uniform(const std::vector<int64_t>& shape, double range) {
  return tacet::uniform(shape, range, next());
}

at::Tensor InitialWeights::normal(const std::vector<int64_t>& shape, double deviation) {
  torch::Tensor t = torch::empty(shape);
  Stream stream = next();
  float* out = t.data_ptr<float>();
  for (int64_t i = 0; i < t.numel(); ++i) out[i] = static_cast<float>(deviation * stream.normal());
  return t;
}

Affine affine(torch::nn::Module& parent, const std::string& child, int64_t in, int64_t out, InitialWeights& draw) {
  const double range = 1 / std::sqrt(static_cast<double>(in));
  const at::Tensor weight = named(parent, child, "weight", draw.uniform({out, in}, range));
  return {weight, named(parent, child, "bias", draw.uniform({out}, range))};
}

Affine layer_norm(torch::nn::Module& parent, const std::string& child, int64_t width) {
  const at::Tensor weight = named(parent, child, "weight", torch::ones({width}));
  return {weight, named(parent, child, "bias", torch::zeros({width}))};
}

at::Tensor Dropout::operator()(const at::Tensor& x, double p) {
  if (!draw_ || p == 0) return x;
  // A mask that is larger than a part of a stream runs on into the next parts.
  const int first = part_;
  part_ += static_cast<int>(1 + (x.numel() - 1) / Stream::part_words);
  if (part_ > 256)
    throw UserError("model.dropout: a pass has more than 256 masks, or numbers for them (2^26 each): fewer layers, or 0");
  return x * mask(x.sizes().vec(), p, draw_->stream(Purpose::hidden_dropout).part(first));
}

}  // namespace tacet
