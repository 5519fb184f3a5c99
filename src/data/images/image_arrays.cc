// Data set "arrays": labelled images (or any vectors) that other programs wrote, in train.safetensors and test.safetensors
// with tensors images, labels and perhaps users, or in train_images.npy, train_labels.npy (train_users.npy) and such files
// for test. Images are [n, C, H, W], [n, H, W] or [n, features]. Bytes count as 0 … 255 of 1, other numbers are taken as
// they are. Labels and users are whole numbers ≥ 0.
#include <algorithm>
#include <filesystem>
#include <optional>

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "data/files/locate.h"
#include "data/files/npy.h"
#include "data/files/safetensors.h"
#include "tacet/error.h"
#include "tacet/image_data.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

struct Arrays {
  at::Tensor images, labels, users;  // users may be undefined
  std::string place;
};

Arrays read_arrays(const fs::path& folder, const std::string& split) {
  std::error_code ignored;
  Arrays a;
  const fs::path one = folder / (split + ".safetensors");
  if (fs::exists(one, ignored)) {
    a.place = one.string();
    for (auto& t : read_safetensors(one.string()))
      (t.name == "images" ? a.images : t.name == "labels" ? a.labels : a.users) = t.tensor;
    if (!a.images.defined() || !a.labels.defined()) throw UserError(a.place + ": must have tensors images and labels");
    return a;
  }
  a.place = (folder / (split + "_images.npy")).string();
  a.images = read_npy(a.place);
  a.labels = read_npy((folder / (split + "_labels.npy")).string());
  const fs::path users = folder / (split + "_users.npy");
  if (fs::exists(users, ignored)) a.users = read_npy(users.string());
  return a;
}

std::vector<int32_t> whole_numbers(const at::Tensor& t, int64_t count, const char* what, const std::string& place) {
  if (t.is_floating_point() || t.dim() != 1 || t.size(0) != count)
    throw UserError(fmt::format("{}: {} must be whole numbers, one for each of the {} images", place, what, count));
  const at::Tensor wide = t.to(at::kLong).contiguous();
  const int64_t* p = wide.data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i)
    if (p[i] < 0 || p[i] > 1'000'000'000)
      throw UserError(fmt::format("{}: {} must be whole numbers >= 0, got {} for image {}", place, what, p[i], i));
  return {p, p + count};
}

// Returns the file's images as [n, C, H, W].
at::Tensor shaped(const at::Tensor& images, const std::string& place) {
  switch (images.dim()) {
    case 2:
      return images.view({images.size(0), 1, 1, images.size(1)});
    case 3:
      return images.unsqueeze(1);
    case 4:
      return images;
    default:
      throw UserError(place + ": images must have 2, 3 or 4 dimensions, got " + std::to_string(images.dim()));
  }
}

ImageData load_arrays(const Values& data) {
  const fs::path folder = find_folder(data, "arrays", "arrays", {"train.safetensors", "train_images.npy"});
  ImageData set;
  set.place = folder.string();
  for (const char* name : {"train", "test"}) {
    const Arrays a = read_arrays(folder, name);
    const bool train = name == std::string("train");
    at::Tensor images = shaped(a.images, a.place).contiguous();
    const int64_t n = images.size(0);
    if (images.numel() == 0) throw UserError(a.place + ": must hold images, has none");
    std::vector<int32_t> labels = whole_numbers(a.labels, n, "labels", a.place);
    if (train) {
      set.shape = {images.size(1), images.size(2), images.size(3), 0};
      const at::Tensor values = images.to(at::kDouble).transpose(0, 1).flatten(1);
      const double unit = images.scalar_type() == at::kByte ? 255 : 1;
      for (int64_t c = 0; c < set.shape.channels; ++c) {
        set.mean.push_back(values[c].mean().item<double>() / unit);
        set.deviation.push_back(std::max(values[c].std(false).item<double>() / unit, 1e-6));
      }
      set.shape.classes = std::max<int64_t>(2, *std::max_element(labels.begin(), labels.end()) + 1);
    } else if (images.size(1) != set.shape.channels || images.size(2) != set.shape.height ||
               images.size(3) != set.shape.width) {
      throw UserError(a.place + ": test images must have the size of the training images");
    }
    ImageSplit& split = train ? set.train : set.test;
    if (images.scalar_type() == at::kByte) {
      split = split_of_bytes(images, std::move(labels), set.shape.classes, a.place);
    } else {
      split = split_of_bytes(at::empty({n, 0}, at::kByte), std::move(labels), set.shape.classes, a.place);
      split.read = [numbers = images.to(at::kFloat).contiguous(), size = set.shape.size()](int64_t i, float* out, Stream*) {
        std::copy_n(numbers.data_ptr<float>() + i * size, size, out);
      };
    }
    if (a.users.defined()) split.users = whole_numbers(a.users, n, "users", a.place);
  }
  return set;
}

}  // namespace

namespace built_in {

std::vector<DatasetInfo> image_arrays() {
  return {{.name = "arrays",
           .paper = "your own",
           .summary = "images or vectors, labels and perhaps users in safetensors or NumPy's .npy files",
           .task = "classification",
           .options = image_options({root_option()}, {}, true),
           .files = {"train.safetensors and test.safetensors with images, labels, users",
                     "or train_images.npy, train_labels.npy, train_users.npy and the same for test"},
           .images = load_arrays}};
}

}  // namespace built_in
}  // namespace tacet
