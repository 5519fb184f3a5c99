// See images.h.
#include "data/images/images.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "base/multiversion.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Of 0 … 255 to 0 … 1, by division: 255 has no exact inverse.
TACET_MULTIVERSION void to_floats(const uint8_t* __restrict in, int64_t n, float* __restrict out) {
  for (int64_t k = 0; k < n; ++k) out[k] = static_cast<float>(in[k]) / 255.0f;
}

TACET_MULTIVERSION void normalise(float* values, int64_t n, float mean, float scale) {
  for (int64_t k = 0; k < n; ++k) values[k] = (values[k] - mean) * scale;
}

}  // namespace

ImageSplit split_of_bytes(at::Tensor images, std::vector<int32_t> labels, int64_t classes, const std::string& place) {
  assert(images.scalar_type() == at::kByte && images.is_contiguous());
  if (images.size(0) != static_cast<int64_t>(labels.size()))
    throw UserError(
        fmt::format("{}: images and labels must be equally many, got {} and {}", place, images.size(0), labels.size()));
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0 || labels[i] >= classes)
      throw UserError(fmt::format("{}: labels must be 0 … {}, got {} for image {}", place, classes - 1, labels[i], i));
  ImageSplit split;
  split.labels = std::move(labels);
  const int64_t size = images.numel() / std::max<int64_t>(1, images.size(0));
  split.read = [images = std::move(images), size](int64_t i, float* out, Stream*) {
    to_floats(images.data_ptr<uint8_t>() + i * size, size, out);
  };
  return split;
}

ImageSplit subset(const ImageSplit& split, const std::vector<int32_t>& samples) {
  ImageSplit part;
  for (const int32_t i : samples) {
    part.labels.push_back(split.labels.at(static_cast<size_t>(i)));
    if (!split.users.empty()) part.users.push_back(split.users.at(static_cast<size_t>(i)));
  }
  part.read = [samples, read = split.read](int64_t i, float* out, Stream* augment) {
    read(samples[static_cast<size_t>(i)], out, augment);
  };
  return part;
}

namespace {

// dst = src moved by (dy, dx), zeros where nothing moves in, mirrored when `flip`. One channel.
void move(const float* src, float* dst, int64_t height, int64_t width, int64_t dy, int64_t dx, bool flip) {
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const int64_t from_y = y + dy, from_x = (flip ? width - 1 - x : x) + dx;
      const bool inside = from_y >= 0 && from_y < height && from_x >= 0 && from_x < width;
      dst[y * width + x] = inside ? src[from_y * width + from_x] : 0.0f;
    }
}

}  // namespace

at::Tensor image_batch(const ImageSplit& split, const ImageShape& shape, const std::vector<int32_t>& samples,
                       const ImageInput& input, const Stream* augment) {
  assert(static_cast<int64_t>(input.mean.size()) == shape.channels);
  const auto count = static_cast<int64_t>(samples.size());
  std::vector<uint64_t> keys(samples.size());
  if (augment) {
    Stream s = *augment;
    for (uint64_t& key : keys) key = static_cast<uint64_t>(s.bits()) << 32 | s.bits();
  }
  at::Tensor batch = at::empty({count, shape.channels, shape.height, shape.width});
  float* const out = batch.data_ptr<float>();
  const int64_t area = shape.height * shape.width;
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> plain(static_cast<size_t>(area));
    for (int64_t j = begin; j < end; ++j) {
      float* const image = out + j * shape.size();
      Stream s(keys[static_cast<size_t>(j)], 0, Purpose::augmentation, 0, 0);
      split.read(samples[static_cast<size_t>(j)], image, augment ? &s : nullptr);
      int64_t dy = 0, dx = 0;
      bool flip = false;
      if (augment && input.padding > 0) {
        const auto places = static_cast<uint64_t>(2 * input.padding + 1);
        dy = static_cast<int64_t>(s.below(places)) - input.padding;
        dx = static_cast<int64_t>(s.below(places)) - input.padding;
      }
      if (augment && input.flip) flip = s.below(2) == 1;
      for (int64_t c = 0; c < shape.channels; ++c) {
        float* const plane = image + c * area;
        const auto mean = static_cast<float>(input.mean[static_cast<size_t>(c)]);
        const auto scale = static_cast<float>(1 / input.deviation[static_cast<size_t>(c)]);
        normalise(plane, area, mean, scale);
        if (dy == 0 && dx == 0 && !flip) continue;
        std::memcpy(plain.data(), plane, static_cast<size_t>(area) * sizeof(float));
        move(plain.data(), plane, shape.height, shape.width, dy, dx, flip);
      }
    }
  });
  return batch;
}

}  // namespace tacet
