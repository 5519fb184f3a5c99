// See images.h.
#include "data/images/images.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <set>
#include <span>
#include <stdexcept>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/multiversion.h"
#include "base/utf8.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

// Maps 0 … 255 to 0 … 1, by division: 255 has no exact inverse.
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

void add_channel(ImageData& set, double mean, double deviation) {
  // A constant channel may have a deviation in the last digits of its sums.
  const bool constant = deviation <= 1e-7 * std::abs(mean);
  if (constant)
    set.notes.push_back(fmt::format("channel {} of the training images is constant ({:.6g}): its deviation is taken as 1",
                                    set.mean.size(), mean));
  set.mean.push_back(mean);
  set.deviation.push_back(constant ? 1 : deviation);
}

namespace {

// The values of one channel in contiguous images: n stretches of `area` values, one in each image of `size` values.
template <class T>
struct ChannelValues {
  const T* first;
  int64_t n, area, size;

  int64_t count() const { return n * area; }
  // Calls f(values) with each stretch, in the images' order.
  template <class F>
  void for_each(F f) const {
    for (int64_t i = 0; i < n; ++i) f(std::span(first + i * size, static_cast<size_t>(area)));
  }
};

struct Moments {
  double mean, deviation;
};

double deviation_of(double squares, int64_t count, int64_t fewer) {
  return std::sqrt(squares / static_cast<double>(std::max<int64_t>(1, count - fewer)));
}

// Counts the values first: then no sum is long.
Moments moments(const ChannelValues<uint8_t>& channel, int64_t fewer) {
  std::array<int64_t, 256> counts{};
  channel.for_each([&](std::span<const uint8_t> values) {
    for (const uint8_t v : values) ++counts[v];
  });
  double sum = 0, squares = 0;
  for (size_t v = 0; v < counts.size(); ++v) sum += static_cast<double>(v) * static_cast<double>(counts[v]);
  const double mean = sum / static_cast<double>(channel.count());
  for (size_t v = 0; v < counts.size(); ++v) {
    const double apart = static_cast<double>(v) - mean;
    squares += apart * apart * static_cast<double>(counts[v]);
  }
  return {mean / 255, deviation_of(squares, channel.count(), fewer) / 255};
}

// Adds image by image, so that long sums lose few digits.
Moments moments(const ChannelValues<float>& channel, int64_t fewer) {
  const auto sum = [&](auto term) {
    double total = 0;
    channel.for_each([&](std::span<const float> values) {
      double part = 0;
      for (const float v : values) part += term(static_cast<double>(v));
      total += part;
    });
    return total;
  };
  const double mean = sum([](double v) { return v; }) / static_cast<double>(channel.count());
  const double squares = sum([&](double v) { return (v - mean) * (v - mean); });
  return {mean, deviation_of(squares, channel.count(), fewer)};
}

}  // namespace

void add_channels(ImageData& set, const at::Tensor& images, int64_t fewer) {
  assert(images.is_contiguous() && (images.dim() == 3 || images.dim() == 4));
  const int64_t n = images.size(0), channels = images.dim() == 4 ? images.size(1) : 1, size = images.numel() / n,
                area = size / channels;
  for (int64_t c = 0; c < channels; ++c) {
    const Moments m = images.scalar_type() == at::kByte
                          ? moments(ChannelValues<uint8_t>{images.data_ptr<uint8_t>() + c * area, n, area, size}, fewer)
                          : moments(ChannelValues<float>{images.data_ptr<float>() + c * area, n, area, size}, fewer);
    add_channel(set, m.mean, m.deviation);
  }
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

// Writes one channel of src, moved by (dy, dx) and mirrored when `flip`, to dst, with zeros where nothing moves in.
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

void ImageOptions::options(OptionList& o, bool users) {
  o.integer("batch_size", batch_size, batch_size, within(1, 1e6), "images in a mini-batch of a client");
  o.integer("eval_batch", eval_batch, eval_batch, within(1, 1e6), "images in a unit of an evaluation");
  o.integer("crop_padding", crop_padding, crop_padding, within(0, 1e4),
            "training images are random crops of the image with so many pixels of zeros on each side; 0: no crops");
  o.flag("flip", flip, flip, "training images are mirrored left to right with probability 1/2");
  o.maybe_numbers("mean", mean, {.min_open = true, .max_open = true},
                  "subtracted from each channel of pixels in 0 … 1; without it, the data set's own");
  o.maybe_numbers("deviation", deviation, above(0), "then each channel is divided by it; without it, the data set's own");
  o.integer("valid", valid, valid, within(0, 1e9),
            "training images held out, at random, for a split \"valid\" that then selects; 0: the test images do");
  o.integer("max_samples", max_samples, max_samples, within(0, 1e9),
            "use only so many training images, drawn at random; 0: all");
  partition.options(o, true, users);
}

ImageOptions image_options(const Values& data) {
  ImageOptions o;
  OptionList list(data);
  o.options(list, true);
  return o;
}

std::vector<Option> image_options(std::vector<Option> own, const ImageAugmentation& usual, bool users) {
  ImageOptions shared{.crop_padding = usual.crop_padding, .flip = usual.flip};
  OptionList list;
  shared.options(list, users);
  own.insert(own.end(), list.all().begin(), list.all().end());
  return own;
}

namespace {

// Keeps max_samples of the training set, then holds `valid` of them out. The first images of a file need not be a fair
// sample of it (folders come class by class), so both are drawn, from the partition's seed.
void cut(ImageData& set, const ImageOptions& o) {
  const int64_t all = set.train.size();
  if (o.valid > 0 && set.valid.size() > 0)
    throw UserError(
        fmt::format("data.valid must be 0 where the data set has validation images of its own ({} of {}), got {}",
                    set.valid.size(), set.place, o.valid));
  const int64_t kept = o.max_samples > 0 ? std::min(o.max_samples, all) : all;
  if (o.valid >= kept)
    throw UserError("data.valid must be less than the " + std::to_string(kept) + " training images, got " +
                    std::to_string(o.valid));
  if (kept == all && o.valid == 0) return;
  Stream s(o.partition.seed, Stream::everyone, Purpose::partition, 0, 1);
  std::vector<int32_t> order;
  for (const int64_t i : s.permutation(all)) order.push_back(static_cast<int32_t>(i));
  const auto part = [&](int64_t first, int64_t last) {
    std::vector<int32_t> samples(order.begin() + first, order.begin() + last);
    std::sort(samples.begin(), samples.end());
    return subset(set.train, samples);
  };
  if (o.valid > 0) set.valid = part(0, o.valid);
  set.train = part(o.valid, kept);
}

std::string class_name(const ImageData& set, int32_t label) {
  const auto c = static_cast<size_t>(label);
  return c < set.classes.size() ? in_quotes(set.classes[c]) : std::to_string(label);
}

// Notes classes that no training image is of: a file may number them from 1, and max_samples may miss some.
void note_empty_classes(ImageData& set) {
  const std::set<int32_t> seen(set.train.labels.begin(), set.train.labels.end());
  const int64_t empty = set.shape.classes - std::ssize(seen);
  if (empty == 0) return;
  std::vector<std::string> first;
  for (int32_t c = 0; c < set.shape.classes && first.size() < 8; ++c)
    if (!seen.count(c)) first.push_back(class_name(set, c));
  set.notes.push_back(fmt::format("{} of {} classes {} no training images: {}{}", empty, set.shape.classes,
                                  empty == 1 ? "has" : "have", fmt::join(first, ", "),
                                  empty > std::ssize(first) ? ", …" : ""));
}

void replace(std::vector<double>& own, const std::optional<Numbers>& given, const std::string& key, int64_t channels) {
  if (!given) return;
  if (static_cast<int64_t>(given->size()) != channels)
    throw UserError("data." + key + " must have one number for each of the " + std::to_string(channels) + " channels, got " +
                    std::to_string(given->size()));
  own = *given;
}

}  // namespace

namespace {

// Throws UserError where a label of test or validation images is larger than those of the training images. Other classes
// without training images are noted only, as files may number classes with gaps.
void check_classes(const ImageData& set) {
  const auto largest = std::max_element(set.train.labels.begin(), set.train.labels.end());
  if (largest == set.train.labels.end()) return;
  for (const auto& [name, split] : {std::pair{"validation", &set.valid}, {"test", &set.test}})
    for (size_t i = 0; i < split->labels.size(); ++i)
      if (split->labels[i] > *largest)
        throw UserError(
            fmt::format("{}: the labels of {} images must be 0 … {}, as of the training images, got {} for image {}",
                        set.place, name, *largest, split->labels[i], i));
}

// Returns the label that a saved record gives to each class of the set, −1 where it has none.
std::vector<int32_t> saved_labels(const ImageData& set, const DataRecord& record) {
  const WordIndex saved(record.classes);
  std::vector<int32_t> labels;
  for (int32_t c = 0; c < set.shape.classes; ++c)
    labels.push_back(record.classes.empty() || set.classes.empty() ? (c < record.class_count ? c : -1)
                                                                   : saved.find(set.classes[static_cast<size_t>(c)]));
  return labels;
}

// Numbers the classes as a record does. Training images of other classes are left out, as they are not evaluated.
void renumber(ImageData& set, const DataRecord& record) {
  const std::vector<int64_t> image = {set.shape.channels, set.shape.height, set.shape.width};
  if (image != record.image)
    throw UserError(fmt::format("{}: images must be {} (channels × height × width) as in {}, got {}", set.place,
                                fmt::join(record.image, " × "), record.place, fmt::join(image, " × ")));
  const std::vector<int32_t> labels = saved_labels(set, record);
  for (const auto& [name, split] : {std::pair{"validation", &set.valid}, {"test", &set.test}})
    for (int32_t& label : split->labels) {
      const int32_t known = labels[static_cast<size_t>(label)];
      if (known < 0)
        throw UserError(fmt::format("{}: {} images must be of the classes of {}, got class {}", set.place, name,
                                    record.place, class_name(set, label)));
      label = known;
    }
  std::vector<int32_t> kept;
  for (size_t i = 0; i < set.train.labels.size(); ++i)
    if (labels[static_cast<size_t>(set.train.labels[i])] >= 0) kept.push_back(static_cast<int32_t>(i));
  if (kept.size() < set.train.labels.size()) set.train = subset(set.train, kept);
  for (int32_t& label : set.train.labels) label = labels[static_cast<size_t>(label)];
  set.shape.classes = record.class_count;
  if (!record.classes.empty()) set.classes = record.classes;
  set.mean = record.mean;
  set.deviation = record.deviation;
}

}  // namespace

namespace {

// Throws UserError unless a row's reader has filled in what the rest relies on.
void check_filled(const ImageData& set, const std::string& name) {
  const auto wrong = [&](const std::string& what) { return UserError("data set " + name + ": " + what); };
  const auto channels = static_cast<size_t>(set.shape.channels);
  if (set.train.size() == 0) throw wrong("there are no training images");
  if (set.test.size() == 0) throw wrong("there are no test images");
  if (set.mean.size() != channels || set.deviation.size() != channels)
    throw wrong(fmt::format("mean and deviation must have {} numbers, one a channel, got {} and {}", channels,
                            set.mean.size(), set.deviation.size()));
  for (const auto& [part, split] : {std::pair{"training", &set.train}, {"validation", &set.valid}, {"test", &set.test}})
    for (const int32_t label : split->labels)
      if (label < 0 || label >= set.shape.classes)
        throw wrong(fmt::format("the labels of {} images must be 0 … {}, got {}", part, set.shape.classes - 1, label));
}

}  // namespace

std::shared_ptr<const ImageData> load_images(const Values& data, const std::optional<DataRecord>& record) {
  const DatasetInfo& row = find_dataset(data.text("name"));
  if (!row.images) throw std::logic_error(row.name + " is no image data set");
  const ImageOptions o = image_options(data);
  const auto set = std::make_shared<ImageData>(row.images(data));
  check_filled(*set, row.name);
  const bool saved = record && record->class_count > 0, partial = data.has("partial") && data.flag("partial");
  if (saved)
    renumber(*set, *record);
  else if (!partial)
    check_classes(*set);
  cut(*set, o);
  if (!saved) note_empty_classes(*set);
  replace(set->mean, o.mean, "mean", set->shape.channels);
  replace(set->deviation, o.deviation, "deviation", set->shape.channels);
  return set;
}

DataRecord data_record(const ImageData& set, const std::string& dataset) {
  DataRecord record{.data_set = dataset,
                    .image = {set.shape.channels, set.shape.height, set.shape.width},
                    .class_count = set.shape.classes,
                    .classes = set.classes,
                    .mean = set.mean,
                    .deviation = set.deviation};
  if (!set.files.empty())
    record.files = marks_of(set.place, set.files);
  else
    record.files = {mark_of_numbers("training labels", set.train.labels),
                    mark_of_numbers("validation labels", set.valid.labels), mark_of_numbers("test labels", set.test.labels)};
  return record;
}

}  // namespace tacet
