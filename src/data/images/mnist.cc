// MNIST and its relatives: grey images and labels in four IDX files. Reading one such file is in data/files/idx.h.
#include <algorithm>
#include <filesystem>

#include <ATen/core/Tensor.h>

#include "base/places.h"
#include "data/files/idx.h"
#include "data/files/locate.h"
#include "data/images/images.h"
#include "tacet/error.h"
#include "tacet/image_data.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> idx_names(const std::string& stem, int dimensions) {
  const std::string kind = "idx" + std::to_string(dimensions) + "-ubyte";
  std::vector<std::string> names;
  for (const char* mark : {"-", "."})
    for (const char* end : {"", ".gz"}) names.push_back(stem + mark + kind + end);
  return names;
}

// Returns the file that has one of the names. torchvision keeps the packed files of published sets beside the plain ones; of
// one's own files there must be one.
std::string existing(const fs::path& folder, const std::vector<std::string>& names, bool own) {
  const std::string path = own ? only_existing(folder.string(), names) : first_existing(folder.string(), names);
  if (!path.empty()) return path;
  throw DataMissing((folder / names.front()).string() +
                    ": does not exist (nor with .gz at its end), though other files of the " +
                    "data set are in that folder");
}

std::vector<int32_t> label_list(const at::Tensor& bytes) {
  const uint8_t* p = bytes.data_ptr<uint8_t>();
  return {p, p + bytes.numel()};
}

ImageData load_idx(const Values& data, const std::string& name) {
  const fs::path folder = find_folder(data, name, name, idx_names("train-images", 3), system_folders(name));
  ImageData set;
  set.place = folder.string();
  int64_t classes = 10;
  const auto read = [&](const std::string& stem, ImageSplit& split) {
    const std::string image_file = existing(folder, idx_names(stem + "-images", 3), name == "idx");
    const std::string label_file = existing(folder, idx_names(stem + "-labels", 1), name == "idx");
    at::Tensor images = read_idx(image_file, 3);
    const at::Tensor label_bytes = read_idx(label_file, 1);
    if (name == "idx")
      classes = std::max<int64_t>({2, stem == "train" ? 2 : classes, label_bytes.max().item<int64_t>() + 1});
    if (set.shape.height == 0) {
      set.shape = {1, images.size(1), images.size(2), classes};
      if (name == "idx") add_channels(set, images, 1);
    }
    set.shape.classes = classes;
    const int64_t want = name == "idx" ? set.shape.height : 28, wide = name == "idx" ? set.shape.width : 28;
    if (images.size(1) != want || images.size(2) != wide)
      throw UserError(image_file + ": images must be " + std::to_string(want) + " × " + std::to_string(wide) + ", got " +
                      std::to_string(images.size(1)) + " × " + std::to_string(images.size(2)));
    set.files.insert(set.files.end(), {image_file, label_file});
    split = split_of_bytes(std::move(images), label_list(label_bytes), classes, label_file);
  };
  read("train", set.train);
  read("t10k", set.test);
  if (name == "mnist") set.mean = {0.1307}, set.deviation = {0.3081};
  if (name == "fashion-mnist") {
    set.mean = {0.2860}, set.deviation = {0.3530};
    set.classes = {"T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"};
  }
  return set;
}

DatasetInfo idx_row(const std::string& name, std::string origin, std::string summary) {
  return {.name = name,
          .paper = std::move(origin),
          .summary = std::move(summary),
          .task = "classification",
          .options = image_options({root_option()}),
          .files = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                    "t10k-labels-idx1-ubyte, each plain or with .gz"},
          .images = [name](const Values& data) { return load_idx(data, name); }};
}

}  // namespace

namespace built_in {

std::vector<DatasetInfo> mnist() {
  return {
      idx_row("mnist", "LeCun, Cortes, Burges, The MNIST database; commonly given as CC BY-SA 3.0",
              "handwritten digits, 28 × 28 grey, 10 classes, 60,000 training and 10,000 test images"),
      idx_row("fashion-mnist", "Xiao, Rasul, Vollgraf, 2017, Fashion-MNIST, MIT; Debian package dataset-fashion-mnist",
              "pictures of clothing, 28 × 28 grey, 10 classes, 60,000 training and 10,000 test images"),
      idx_row("idx", "your own", "grey images and labels in IDX files named as MNIST's, of any size and number of classes"),
  };
}

}  // namespace built_in
}  // namespace tacet
