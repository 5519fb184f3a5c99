// See convolution_winograd.h.
#include "kernels/convolution/convolution_winograd.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <ATen/Parallel.h>

namespace tacet {
namespace {

constexpr int64_t most_slices = 8;

int64_t slices_of(const Conv3x3& s) {
  constexpr int64_t floats = 1 << 19;
  return std::clamp<int64_t>(floats / s.weights(), 1, most_slices);
}

// f(from, to) for the maps of the result, over the threads where there is enough to do.
void over_maps(const Conv3x3& s, const std::function<void(int64_t, int64_t)>& f) {
  constexpr int64_t enough = 128;  // a few microseconds
  at::parallel_for(0, s.out / 16, std::max<int64_t>(1, enough / s.in),
                   [&](int64_t begin, int64_t end) { f(16 * begin, 16 * end); });
}

void over_images(const Conv3x3& s, const float* x, int64_t images, const float* packed, float* y) {
  at::parallel_for(0, images, 1, [&](int64_t begin, int64_t end) {
    const int64_t pixels = s.height * s.width;
    convolve(s, x + begin * pixels * s.in, end - begin, packed, y + begin * pixels * s.out, /*add=*/false);
  });
}

}  // namespace

std::optional<Conv3x3> winograd_shape(const Convolution& c, const at::Tensor& x, const at::Tensor& w) {
  const Conv3x3 s{x.size(2), x.size(3), w.size(1), w.size(0)};
  const bool three = w.size(2) == 3 && w.size(3) == 3 && c.stride == 1 && c.padding == 1;
  return c.precision == Precision::f32 && three && s.fits() ? std::optional(s) : std::nullopt;
}

WinogradWeights::WinogradWeights(const Conv3x3& s, const at::Tensor& w, bool turned)
    : packed_(std::make_unique_for_overwrite<float[]>(static_cast<size_t>(s.weights()))) {
  over_maps(turned ? s.turned() : s, [&](int64_t from, int64_t to) {
    (turned ? pack_turned_weights : pack_weights)(s, w.data_ptr<float>(), from, to, packed_.get());
  });
}

int64_t images_at_once(const Conv3x3& s) {
  constexpr int64_t floats = 16384;
  return std::max<int64_t>(1, floats / (s.height * s.width * std::max(s.in, s.out)));
}

void each_group(const Conv3x3& s, int64_t images, const std::function<void(int64_t, int64_t, float*)>& f) {
  const int64_t group = images_at_once(s), values = group * s.height * s.width * std::max(s.in, s.out);
  at::parallel_for(0, (images + group - 1) / group, 1, [&](int64_t begin, int64_t end) {
    const auto room = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(values));
    for (int64_t first = begin * group; first < std::min(end * group, images); first += group)
      f(first, std::min(group, images - first), room.get());
  });
}

bool few_weights(const Conv3x3& s) { return slices_of(s) == most_slices; }

SlicedGradient::SlicedGradient(const Conv3x3& s, int64_t images)
    : shape_(s), images_(images), count_(std::min(images, slices_of(s))), sums_(static_cast<size_t>(count_ * s.weights())) {}

void SlicedGradient::each_group(int64_t slice, const std::function<void(int64_t, int64_t)>& f) const {
  const int64_t group = images_at_once(shape_), last = (slice + 1) * images_ / count_;
  for (int64_t first = slice * images_ / count_; first < last; first += group) f(first, std::min(group, last - first));
}

void SlicedGradient::finish(float* dw) const {
  over_maps(shape_, [&](int64_t from, int64_t to) { unpack_gradient(shape_, sums_.data(), count_, from, to, dw); });
}

bool winograd_forward(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& y) {
  const auto s = winograd_shape(c, x, w);
  if (!s) return false;
  const WinogradWeights packed(*s, w, /*turned=*/false);
  over_images(*s, x.data_ptr<float>(), x.size(0), packed.data(), y.data_ptr<float>());
  return true;
}

bool winograd_backward_input(const Convolution& c, const at::Tensor& dy, const at::Tensor& w, const at::Tensor& dx) {
  const auto s = winograd_shape(c, dx, w);
  if (!s) return false;
  const WinogradWeights packed(*s, w, /*turned=*/true);
  over_images(s->turned(), dy.data_ptr<float>(), dy.size(0), packed.data(), dx.data_ptr<float>());
  return true;
}

bool winograd_backward_weights(const Convolution& c, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& dw) {
  const auto shape = winograd_shape(c, x, dw);
  if (!shape) return false;
  const Conv3x3& s = *shape;
  SlicedGradient sums(s, x.size(0));
  // Where there are few slices, each falls apart into ranges of maps.
  const int64_t pixels = s.height * s.width, ranges = std::clamp<int64_t>(s.out / 32, 1, most_slices / sums.slices());
  const auto range = [&](int64_t k) { return s.out / 16 * k / ranges * 16; };
  at::parallel_for(0, sums.slices() * ranges, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task)
      sums.each_group(task / ranges, [&](int64_t first, int64_t count) {
        add_weights_gradient(s, x.data_ptr<float>() + first * pixels * s.in, dy.data_ptr<float>() + first * pixels * s.out,
                             count, range(task % ranges), range(task % ranges + 1), sums.sum(task / ranges));
      });
  });
  sums.finish(dw.data_ptr<float>());
  return true;
}

}  // namespace tacet
