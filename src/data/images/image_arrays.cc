// Data set "arrays": labelled images (or any vectors) that other programs wrote, in train.safetensors and test.safetensors
// with tensors images, labels and perhaps users, or in train_images.npy, train_labels.npy (train_users.npy) and such files
// for test. Validation images may be in such files for valid. Images are [n, C, H, W], [n, H, W] or [n, features]. Bytes
// count as 0 … 255 of 1, other numbers are taken as they are. Labels and users are whole numbers ≥ 0, of any type.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "base/places.h"
#include "data/files/locate.h"
#include "data/files/npy.h"
#include "data/files/numbers.h"
#include "data/files/safetensors.h"
#include "data/images/images.h"
#include "tacet/error.h"
#include "tacet/image_data.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// An array with the file that it comes from, for messages.
struct NamedArray {
  at::Tensor numbers;  // undefined where there is none
  std::string place;
};

struct Arrays {
  NamedArray images, labels, users;
};

Arrays read_tensors(const std::string& path) {
  Arrays a;
  for (auto& [name, tensor] : read_safetensors(path)) {
    NamedArray* const to = name == "images"   ? &a.images
                           : name == "labels" ? &a.labels
                           : name == "users"  ? &a.users
                                              : nullptr;
    if (!to) throw UserError(fmt::format("{}: tensors must be images, labels and perhaps users, got \"{}\"", path, name));
    *to = {tensor, path};
  }
  if (!a.images.numbers.defined() || !a.labels.numbers.defined())
    throw UserError(path + ": must have tensors images and labels");
  return a;
}

// Returns the names of the NumPy files that a split may have: images, labels and users.
std::vector<std::string> npy_files(const std::string& split) {
  return {split + "_images.npy", split + "_labels.npy", split + "_users.npy"};
}

Arrays read_arrays(const std::string& folder, const std::string& split) {
  const std::vector<std::string> files = npy_files(split);
  if (const std::string one = first_existing(folder, {split + ".safetensors"}); !one.empty()) {
    for (const std::string& file : files) only_existing(folder, {split + ".safetensors", file});
    return read_tensors(one);
  }
  const auto read = [&](const std::string& file) {
    const std::string path = (fs::path(folder) / file).string();
    return NamedArray{read_npy(path), path};
  };
  Arrays a{read(files[0]), read(files[1]), {}};
  if (!first_existing(folder, {files[2]}).empty()) a.users = read(files[2]);
  return a;
}

// Returns the name of the folder's validation split, which may be called as image-folder's; empty where there is none.
std::string valid_split(const std::string& folder) {
  std::string found;
  for (const char* name : {"valid", "val", "validation"}) {
    std::vector<std::string> files = npy_files(name);
    files.push_back(std::string(name) + ".safetensors");
    if (first_existing(folder, files).empty()) continue;
    if (!found.empty())
      throw UserError(fmt::format("{}: must have one split of validation images, has {} and {}", folder, found, name));
    found = name;
  }
  return found;
}

// Returns the index of the first number that is not finite, or −1. A sum that is finite has none.
int64_t first_non_finite(const at::Tensor& floats) {
  if (std::isfinite(floats.sum().item<double>())) return -1;
  const float* const p = floats.data_ptr<float>();
  const float* const end = p + floats.numel();
  const float* const found = std::find_if(p, end, [](float v) { return !std::isfinite(v); });
  return found == end ? -1 : found - p;
}

// Returns labels or users as [n], from [n], [n, 1] or [1, n].
at::Tensor in_a_row(const NamedArray& a, int64_t count, const char* what, const NamedArray& images) {
  const at::Tensor& t = a.numbers;
  if (t.numel() == count && (t.dim() == 1 || (t.dim() == 2 && (t.size(1) == 1 || t.size(0) == 1))))
    return t.contiguous().view({count});
  const bool rows = t.dim() == 2 && t.size(0) == count;
  throw UserError(
      fmt::format("{}: {} must be whole numbers, one for each of the {} images ({}), got {}{}", a.place, what, count,
                  described(images.numbers), described(t),
                  rows ? "; for one-hot rows give the place of the 1, as numpy.argmax(labels, axis=1) does" : ""));
}

std::vector<int32_t> whole_numbers(const NamedArray& a, int64_t count, const char* what, double largest,
                                   const NamedArray& images) {
  const at::Tensor values = in_a_row(a, count, what, images).to(at::kDouble);
  const double* const p = values.data_ptr<double>();
  for (int64_t i = 0; i < count; ++i)
    if (!(p[i] >= 0 && p[i] <= largest) || p[i] != std::floor(p[i]))
      throw UserError(fmt::format("{}: {} must be whole numbers from 0 to {:g}, got {} for image {} ({})", a.place, what,
                                  largest, p[i], i, described(a.numbers)));
  return {p, p + count};
}

// Refuses images whose channels come last, as Keras and image libraries keep them. Square ones may have up to 16 channels,
// as satellites' have. Wide maps of up to four columns look the same and are refused too.
void require_channels_first(const NamedArray& images) {
  const at::Tensor& t = images.numbers;
  const int64_t a = t.size(1), b = t.size(2), last = t.size(3);
  const bool square = a == b && last <= 16, wide = a > 4 && b > 4 && last <= 4;
  if (a <= last || !(square || wide)) return;
  throw UserError(
      fmt::format("{}: images must be [n, C, H, W], [n, H, W] or [n, features], got {}, which looks like "
                  "[n, H, W, C]; put the channels first, as numpy.transpose(images, (0, 3, 1, 2)) does, or say "
                  "data.channels_first = true where they are",
                  images.place, described(t)));
}

struct ArrayOptions {
  bool channels_first = false;
  void options(OptionList& o) {
    o.flag("channels_first", channels_first, channels_first,
           "take images of four dimensions as [n, C, H, W] even where their sizes look like [n, H, W, C]");
  }
};

// Returns the file's images as [n, C, H, W]: bytes as they are, other numbers as float32.
at::Tensor shaped(const NamedArray& images, bool channels_first) {
  const at::Tensor& t = images.numbers;
  if (t.dim() < 2 || t.dim() > 4)
    throw UserError(
        fmt::format("{}: images must have 2, 3 or 4 dimensions, got {}: {}", images.place, t.dim(), described(t)));
  if (t.numel() == 0) throw UserError(fmt::format("{}: must hold images, has none: {}", images.place, described(t)));
  if (t.dim() == 4 && !channels_first) require_channels_first(images);
  const at::Tensor four = t.dim() == 2 ? t.view({t.size(0), 1, 1, t.size(1)}) : t.dim() == 3 ? t.unsqueeze(1) : t;
  if (t.scalar_type() == at::kByte) return four.contiguous();
  at::Tensor floats = four.to(at::kFloat).contiguous();
  if (const int64_t k = first_non_finite(floats); k >= 0) {
    const int64_t size = floats.numel() / floats.size(0);
    throw UserError(
        fmt::format("{}: images must be finite numbers in float32, image {} (counted from 0) has {} as its number {}",
                    images.place, k / size, floats.data_ptr<float>()[k], k % size));
  }
  return floats;
}

ImageSplit split_of_images(const at::Tensor& images, std::vector<int32_t> labels, int64_t classes,
                           const std::string& place) {
  if (images.scalar_type() == at::kByte) return split_of_bytes(images, std::move(labels), classes, place);
  ImageSplit split = split_of_bytes(at::empty({images.size(0), 0}, at::kByte), std::move(labels), classes, place);
  split.read = [images, size = images.numel() / images.size(0)](int64_t i, float* out, Stream*) {
    std::copy_n(images.data_ptr<float>() + i * size, size, out);
  };
  return split;
}

ImageData load_arrays(const Values& data) {
  const std::string folder = find_folder(data, "arrays", "arrays", {"train.safetensors", "train_images.npy"});
  const auto o = read_options<ArrayOptions>(data);
  ImageData set;
  set.place = folder;
  const auto read = [&](const std::string& name, const char* kind, ImageSplit& split) {
    const Arrays a = read_arrays(folder, name);
    const at::Tensor images = shaped(a.images, o.channels_first);
    const int64_t n = images.size(0);
    std::vector<int32_t> labels = whole_numbers(a.labels, n, "labels", 1e6, a.images);
    if (&split == &set.train) {
      set.shape = {images.size(1), images.size(2), images.size(3), 2};
      add_channels(set, images);
    } else if (images.size(1) != set.shape.channels || images.size(2) != set.shape.height ||
               images.size(3) != set.shape.width) {
      throw UserError(fmt::format("{}: {} images must have the size of the training images, {} × {} × {}, got {}",
                                  a.images.place, kind, set.shape.channels, set.shape.height, set.shape.width,
                                  described(a.images.numbers)));
    }
    set.shape.classes = std::max<int64_t>(set.shape.classes, *std::max_element(labels.begin(), labels.end()) + 1);
    for (const NamedArray* array : {&a.images, &a.labels, &a.users})
      if (array->numbers.defined()) set.files.push_back(array->place);
    split = split_of_images(images, std::move(labels), set.shape.classes, a.labels.place);
    if (a.users.numbers.defined()) split.users = whole_numbers(a.users, n, "users", 1e9, a.images);
  };
  read("train", "training", set.train);
  if (const std::string valid = valid_split(folder); !valid.empty()) read(valid, "validation", set.valid);
  read("test", "test", set.test);
  return set;
}

}  // namespace

namespace built_in {

std::vector<DatasetInfo> image_arrays() {
  std::vector<Option> own = options_of<ArrayOptions>();
  own.insert(own.begin(), root_option());
  return {{.name = "arrays",
           .paper = "your own",
           .summary = "images or vectors, labels and perhaps users in safetensors or NumPy's .npy files",
           .task = "classification",
           .options = image_options(own, {}, true),
           .files = {"train.safetensors, test.safetensors and perhaps valid.safetensors with images, labels, users",
                     "or train_images.npy, train_labels.npy, train_users.npy and the same for test and valid"},
           .images = load_arrays}};
}

}  // namespace built_in
}  // namespace tacet
