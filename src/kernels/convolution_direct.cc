// See convolution_direct.h.
#include "kernels/convolution_direct.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <ATen/Parallel.h>

namespace tacet {
namespace {

std::unique_ptr<float[]> room(int64_t floats) {
  return std::make_unique_for_overwrite<float[]>(static_cast<size_t>(floats));
}

void over_images(const Direct& s, const float* x, int64_t images, const float* packed, float* y) {
  at::parallel_for(0, images, 1, [&](int64_t begin, int64_t end) {
    const int64_t pixels = s.height * s.width;
    convolve(s, x + begin * pixels * s.in, end - begin, packed, y + begin * pixels * s.out);
  });
}

}  // namespace

std::optional<Direct> direct_shape(const Convolution& c, const at::Tensor& x, const at::Tensor& w) {
  const Direct s{x.size(2), x.size(3), w.size(1), w.size(0)};
  const bool three = w.size(2) == 3 && w.size(3) == 3 && c.stride == 1 && c.padding == 1;
  return three && s.fits() ? std::optional(s) : std::nullopt;
}

int64_t slices(const Direct& s, int64_t images) {
  constexpr int64_t floats = 1 << 20, most = 16;
  return std::min(images, std::clamp<int64_t>(floats / s.weights(), 1, most));
}

int64_t images_at_once(const Direct& s) {
  constexpr int64_t floats = 16384;
  return std::max<int64_t>(1, floats / (s.height * s.width * std::max(s.in, s.out)));
}

bool direct_forward(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& y) {
  const auto s = direct_shape(c, x, w);
  if (!s) return false;
  const auto packed = room(s->weights());
  pack_weights(*s, w.data_ptr<float>(), packed.get());
  over_images(*s, x.data_ptr<float>(), x.size(0), packed.get(), y.data_ptr<float>());
  return true;
}

bool direct_backward_input(const Convolution& c, const at::Tensor& dy, const at::Tensor& w, const at::Tensor& dx) {
  const auto s = direct_shape(c, dx, w);
  if (!s) return false;
  const auto packed = room(s->weights());
  pack_turned_weights(*s, w.data_ptr<float>(), packed.get());
  over_images({s->height, s->width, s->out, s->in}, dy.data_ptr<float>(), dy.size(0), packed.get(), dx.data_ptr<float>());
  return true;
}

bool direct_backward_weights(const Convolution& c, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& dw) {
  const auto shape = direct_shape(c, x, dw);
  if (!shape) return false;
  const Direct& s = *shape;
  const int64_t images = x.size(0), count = slices(s, images), parts = s.out / 16, of_part = pieces(s) / parts;
  const int64_t pixels = s.height * s.width, group = images_at_once(s);
  std::vector<float> sums(static_cast<size_t>(count * s.weights()));
  at::parallel_for(0, count * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t slice = task / parts, part = task % parts, last = (slice + 1) * images / count;
      for (int64_t n = slice * images / count; n < last; n += group)
        for (int64_t piece = part * of_part; piece < (part + 1) * of_part; ++piece)
          add_weights_gradient(s, x.data_ptr<float>() + n * pixels * s.in, dy.data_ptr<float>() + n * pixels * s.out,
                               std::min(group, last - n), piece, sums.data() + slice * s.weights());
    }
  });
  unpack_gradient(s, sums.data(), count, dw.data_ptr<float>());
  return true;
}

}  // namespace tacet
