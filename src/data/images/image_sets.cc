// The image data sets by name: their keys, the files they expect and which reader takes them. The readers are in files of
// their own (idx.h, …).
#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include <ATen/core/Tensor.h>

#include "data/clients/partition.h"
#include "data/files/idx.h"
#include "data/files/locate.h"
#include "data/images/cifar.h"
#include "data/images/image_arrays.h"
#include "data/images/image_folder.h"
#include "data/images/images.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// ---- MNIST and its relatives ----

std::vector<std::string> idx_names(const std::string& stem, int dimensions) {
  const std::string kind = "idx" + std::to_string(dimensions) + "-ubyte";
  std::vector<std::string> names;
  for (const char* mark : {"-", "."})
    for (const char* end : {"", ".gz"}) names.push_back(stem + mark + kind + end);
  return names;
}

std::string existing(const fs::path& folder, const std::vector<std::string>& names) {
  std::error_code ignored;
  for (const std::string& name : names)
    if (fs::exists(folder / name, ignored)) return (folder / name).string();
  throw DataMissing((folder / names.front()).string() +
                    ": does not exist (nor with .gz at its end), though other files of the " +
                    "data set are in that folder");
}

std::vector<int32_t> label_list(const at::Tensor& bytes) {
  const uint8_t* p = bytes.data_ptr<uint8_t>();
  return {p, p + bytes.numel()};
}

ImageData load_idx(const Values& data, const std::string& name) {
  std::vector<std::string> system;
  if (name == "fashion-mnist") system = {"/usr/share/datasets/fashion-mnist"};
  const fs::path folder = find_folder(data, name, name, idx_names("train-images", 3), system);
  ImageData set;
  set.place = folder.string();
  int64_t classes = 10;
  const auto read = [&](const std::string& stem, ImageSplit& split) {
    const std::string image_file = existing(folder, idx_names(stem + "-images", 3));
    const std::string label_file = existing(folder, idx_names(stem + "-labels", 1));
    at::Tensor images = read_idx(image_file, 3);
    const at::Tensor label_bytes = read_idx(label_file, 1);
    if (name == "idx")
      classes = std::max<int64_t>({2, stem == "train" ? 2 : classes, label_bytes.max().item<int64_t>() + 1});
    if (set.shape.height == 0) {
      set.shape = {1, images.size(1), images.size(2), classes};
      if (name == "idx") {
        const at::Tensor values = images.to(at::kDouble).div_(255);
        set.mean = {values.mean().item<double>()};
        set.deviation = {std::max(values.std().item<double>(), 1e-6)};
      }
    }
    set.shape.classes = classes;
    const int64_t want = name == "idx" ? set.shape.height : 28, wide = name == "idx" ? set.shape.width : 28;
    if (images.size(1) != want || images.size(2) != wide)
      throw UserError(image_file + ": images must be " + std::to_string(want) + " × " + std::to_string(wide) + ", got " +
                      std::to_string(images.size(1)) + " × " + std::to_string(images.size(2)));
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

// ---- CIFAR ----

// The files of these names; with `partial` those that are there, and for "test_batch" any that starts so.
std::vector<std::string> cifar_files(const fs::path& folder, const std::vector<std::string>& names, bool partial) {
  std::vector<std::string> files;
  std::error_code ignored;
  for (const std::string& name : names)
    if (fs::exists(folder / name, ignored))
      files.push_back((folder / name).string());
    else if (!partial)
      throw DataMissing((folder / name).string() +
                        ": does not exist, though other files of the data set are in that folder; data.partial = true takes "
                        "what is there");
  if (files.empty()) {
    const std::string stem = fs::path(names.front()).stem().string();
    for (const auto& entry : fs::directory_iterator(folder, ignored))
      if (entry.path().filename().string().rfind(stem, 0) == 0) files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
  }
  if (files.empty()) throw DataMissing((folder / names.front()).string() + ": does not exist");
  return files;
}

ImageData load_cifar(const Values& data, const std::string& name) {
  const bool ten = name == "cifar-10", partial = data.flag("partial");
  const std::vector<std::string> train =
      ten ? std::vector<std::string>{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                     "data_batch_5.bin"}
          : std::vector<std::string>{"train.bin"};
  const std::vector<std::string> test = {ten ? "test_batch.bin" : "test.bin"};
  const fs::path folder = find_folder(data, name, ten ? "cifar-10-batches-bin" : "cifar-100-binary", train);
  ImageData set;
  set.place = folder.string();
  CifarFormat format{.label_bytes = ten ? 1 : 2, .classes = ten ? 10 : 100};
  set.shape = {3, 32, 32, format.classes};
  format.records = partial ? 0 : ten ? 10000 : 50000;
  set.train = read_cifar(cifar_files(folder, train, partial), format);
  format.records = partial ? 0 : 10000;
  set.test = read_cifar(cifar_files(folder, test, partial), format);
  if (ten) {
    set.mean = {0.4914, 0.4822, 0.4465}, set.deviation = {0.2470, 0.2435, 0.2616};
    set.classes = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  } else {
    set.mean = {0.5071, 0.4865, 0.4409}, set.deviation = {0.2673, 0.2564, 0.2762};
  }
  return set;
}

// Keeps max_samples of the training set, then holds `valid` of them out. The first images of a file need not be a fair
// sample of it (folders come class by class), so both are drawn, from the partition's seed.
void cut(ImageData& set, const Values& data) {
  const int64_t keep = data.integer("max_samples"), valid = data.integer("valid"), all = set.train.size();
  const int64_t kept = keep > 0 ? std::min(keep, all) : all;
  if (valid >= kept)
    throw UserError("data.valid must be less than the " + std::to_string(kept) + " training images, got " +
                    std::to_string(valid));
  if (kept == all && valid == 0) return;
  Stream s(static_cast<uint64_t>(data.integer("partition.seed")), Stream::everyone, Purpose::partition, 0, 1);
  std::vector<int32_t> order;
  for (const int64_t i : s.permutation(all)) order.push_back(static_cast<int32_t>(i));
  const auto part = [&](int64_t first, int64_t last) {
    std::vector<int32_t> samples(order.begin() + first, order.begin() + last);
    std::sort(samples.begin(), samples.end());
    return subset(set.train, samples);
  };
  set.valid = part(0, valid);
  set.train = part(valid, kept);
}

// ---- keys ----

Option integer(std::string name, int64_t fallback, double min, double max, std::string doc) {
  return {
      .name = std::move(name), .kind = Kind::integer, .fallback = fallback, .doc = std::move(doc), .min = min, .max = max};
}

// The keys of every image data set; `padding` and `flip` are the customary augmentation.
std::vector<Option> image_keys(int64_t padding, bool flip, bool users = false) {
  std::vector<Option> keys = {
      {.name = "root",
       .kind = Kind::text,
       .doc = "folder with the files; without it $TACET_DATA, then ~/.cache/tacet are searched",
       .required = false,
       .free_on_resume = true,
       .per_machine = true},
      integer("batch_size", 64, 1, 1e6, "images in a mini-batch of a client"),
      integer("eval_batch", 250, 1, 1e6, "images in a unit of an evaluation"),
      integer("crop_padding", padding, 0, 1e4,
              "training images are random crops of the image with so many pixels of zeros on each side; 0: no crops"),
      {.name = "flip",
       .kind = Kind::flag,
       .fallback = flip,
       .doc = "training images are mirrored left to right with probability 1/2"},
      {.name = "mean",
       .kind = Kind::numbers,
       .doc = "subtracted from each channel of pixels in 0 … 1; without it, the data set's own",
       .required = false},
      {.name = "deviation",
       .kind = Kind::numbers,
       .doc = "then each channel is divided by it; without it, the data set's own",
       .min = 0,
       .min_open = true,
       .required = false},
      integer("valid", 0, 0, 1e9,
              "training images held out, at random, for a split \"valid\" that then selects; 0: the test images do"),
      integer("max_samples", 0, 0, 1e9, "use only so many training images, drawn at random; 0: all"),
  };
  for (Option& option : partition_keys(users)) keys.push_back(std::move(option));
  return keys;
}

Option partial() {
  return {.name = "partial",
          .kind = Kind::flag,
          .fallback = false,
          .doc = "take what is there of the files, for trying things out on a part of the data"};
}

std::vector<Option> cifar_keys() {
  std::vector<Option> keys = image_keys(4, true);
  keys.insert(keys.begin() + 1, partial());
  return keys;
}

// Of folders of pictures.
std::vector<Option> folder_keys(int64_t side, double centre, double random, int64_t padding) {
  std::vector<Option> keys = image_keys(padding, true);
  const auto share = [](std::string name, double fallback, std::string doc) {
    return Option{.name = std::move(name),
                  .kind = Kind::number,
                  .fallback = fallback,
                  .doc = std::move(doc),
                  .min = 0,
                  .max = 1,
                  .min_open = true};
  };
  keys.insert(keys.begin() + 1,
              {partial(),
               integer("size", side, 8, 4096, "pictures are resized to so many pixels each way"),
               share("centre_crop", centre, "the centred square of this part of the shorter side is taken and resized"),
               share("random_crop", random,
                     "training pictures are random crops of at least this part of the area, resized; 1: the centred square"),
               {.name = "cache",
                .kind = Kind::flag,
                .fallback = true,
                .doc = "keep pictures that are always cropped alike decoded in a file beside them, or in ~/.cache/tacet"}});
  return keys;
}

std::vector<std::string> idx_files() {
  return {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
          "t10k-labels-idx1-ubyte, each plain or with .gz"};
}

}  // namespace

std::vector<Entry> image_datasets() {
  return {
      {"mnist", "LeCun, Cortes, Burges, The MNIST database; commonly given as CC BY-SA 3.0",
       "handwritten digits, 28 × 28 grey, 10 classes, 60,000 training and 10,000 test images", "classification",
       image_keys(0, false), idx_files()},
      {"fashion-mnist", "Xiao, Rasul, Vollgraf, 2017, Fashion-MNIST, MIT; Debian package dataset-fashion-mnist",
       "pictures of clothing, 28 × 28 grey, 10 classes, 60,000 training and 10,000 test images", "classification",
       image_keys(0, false), idx_files()},
      {"idx", "your own", "grey images and labels in IDX files named as MNIST's, of any size and number of classes",
       "classification", image_keys(0, false), idx_files()},
      {"cifar-10",
       "Krizhevsky, 2009, Learning Multiple Layers of Features from Tiny Images; no explicit licence, research use",
       "small photographs, 32 × 32 in colour, 10 classes, 50,000 training and 10,000 test images",
       "classification",
       cifar_keys(),
       {"cifar-10-batches-bin/ of the binary version: data_batch_1.bin … data_batch_5.bin", "test_batch.bin"}},
      {"cifar-100",
       "Krizhevsky, 2009, Learning Multiple Layers of Features from Tiny Images; no explicit licence, research use",
       "small photographs, 32 × 32 in colour, 100 classes, 50,000 training and 10,000 test images",
       "classification",
       cifar_keys(),
       {"cifar-100-binary/ of the binary version: train.bin", "test.bin"}},
      {"tiny-imagenet",
       "Le and Yang, 2015, Tiny ImageNet Visual Recognition Challenge; ImageNet's terms, research use",
       "photographs, 64 × 64 in colour, 200 classes, 100,000 training and 10,000 validation images, which serve as test "
       "images",
       "classification",
       folder_keys(64, 1, 1, 4),
       {"tiny-imagenet-200/wnids.txt", "train/CLASS/images/*.JPEG", "val/images/*.JPEG", "val/val_annotations.txt"}},
      {"imagenet",
       "Russakovsky et al., 2015, ImageNet Large Scale Visual Recognition Challenge 2012; research use",
       "photographs in colour, 1,000 classes, 1,281,167 training and 50,000 validation images, which serve as test images",
       "classification",
       folder_keys(224, 0.875, 0.08, 0),
       {"train/CLASS/*.JPEG", "val/CLASS/*.JPEG"}},
      {"image-folder",
       "your own",
       "JPEG or PNG pictures in a folder for each class",
       "classification",
       folder_keys(64, 1, 1, 0),
       {"train/CLASS/…", "val/CLASS/… or test/CLASS/…"}},
      {"arrays",
       "your own",
       "images or vectors, labels and perhaps users in safetensors or NumPy's .npy files",
       "classification",
       image_keys(0, false, true),
       {"train.safetensors and test.safetensors with images, labels, users",
        "or train_images.npy, train_labels.npy, train_users.npy and the same for test"}},
  };
}

std::shared_ptr<const ImageData> load_images(const Values& data) {
  const std::string& name = data.text("name");
  auto set = std::make_shared<ImageData>();
  if (name == "mnist" || name == "fashion-mnist" || name == "idx")
    *set = load_idx(data, name);
  else if (name == "cifar-10" || name == "cifar-100")
    *set = load_cifar(data, name);
  else if (name == "imagenet" || name == "tiny-imagenet" || name == "image-folder")
    *set = load_image_folder(data, name);
  else if (name == "arrays")
    *set = load_arrays(data);
  else
    throw std::logic_error("no image data set " + name);
  cut(*set, data);
  for (const auto& [key, value] : {std::pair{"mean", &set->mean}, {"deviation", &set->deviation}})
    if (data.has(key)) {
      *value = data.numbers(key);
      if (static_cast<int64_t>(value->size()) != set->shape.channels)
        throw UserError("data." + std::string(key) + " must have one number for each of the " +
                        std::to_string(set->shape.channels) + " channels, got " + std::to_string(value->size()));
    }
  return set;
}

}  // namespace tacet
