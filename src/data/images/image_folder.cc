// See image_folder.h.
#include "data/images/image_folder.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "data/files/locate.h"
#include "data/images/image_cache.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

bool is_picture(const fs::path& path) {
  std::string end = path.extension().string();
  for (char& c : end) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return end == ".jpg" || end == ".jpeg" || end == ".png";
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path);
  if (!in) throw UserError(path.string() + ": can't be read");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace

std::vector<std::string> class_folders(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
  if (names.empty()) throw UserError(folder + ": must hold a folder for each class, has none");
  std::sort(names.begin(), names.end());
  return names;
}

PictureList list_by_class(const std::string& folder, const std::vector<std::string>& classes, bool partial) {
  PictureList list;
  for (size_t c = 0; c < classes.size(); ++c) {
    const fs::path place = fs::path(folder) / classes[c];
    std::error_code error;
    std::vector<std::string> files;
    for (auto i = fs::recursive_directory_iterator(place, error); !error && i != fs::recursive_directory_iterator();
         i.increment(error))
      if (is_picture(i->path())) files.push_back(fs::relative(i->path(), folder).string());
    if (files.empty() && !partial)
      throw UserError(place.string() + ": must hold the pictures (*.jpg, *.jpeg, *.png) of a class, has none");
    std::sort(files.begin(), files.end());
    list.files.insert(list.files.end(), files.begin(), files.end());
    list.labels.insert(list.labels.end(), files.size(), static_cast<int32_t>(c));
  }
  if (list.files.empty()) throw UserError(folder + ": must hold pictures in a folder for each class, has none");
  return list;
}

PictureList list_by_table(const std::string& folder, const std::string& table, const std::vector<std::string>& classes,
                          bool partial) {
  std::map<std::string, int32_t> index;
  for (const std::string& name : classes) index.emplace(name, static_cast<int32_t>(index.size()));
  PictureList list;
  int64_t number = 0;
  const std::string path = (fs::path(folder) / table).string();
  for (const std::string& line : lines_of(path)) {
    ++number;
    std::istringstream words(line);
    std::string file, name;
    words >> file >> name;
    if (!index.count(name))
      throw UserError(fmt::format("{}:{}: must be a file and its class, one of wnids.txt, got \"{}\"", path, number, line));
    file = "images/" + file;
    std::error_code error;
    if (!fs::exists(fs::path(folder) / file, error)) {
      if (partial) continue;
      throw UserError(fmt::format("{}: does not exist, though {}:{} names it; data.partial = true takes what is there",
                                  (fs::path(folder) / file).string(), path, number));
    }
    list.files.push_back(file);
    list.labels.push_back(index[name]);
  }
  if (list.files.empty()) throw UserError(path + ": names no picture that is there");
  return list;
}

ImageSplit split_of_pictures(const std::string& folder, PictureList list, const PictureCrop& crop, bool random,
                             const std::string& cache) {
  const int64_t size = 3 * crop.side * crop.side;
  const auto files = std::make_shared<const std::vector<std::string>>(std::move(list.files));
  const auto decode = [=](int64_t i, Stream* s, uint8_t* out) {
    read_picture((fs::path(folder) / (*files)[static_cast<size_t>(i)]).string(), crop, s, out);
  };
  PictureCache pictures;
  if (!random && !cache.empty())
    pictures =
        open_cache(folder, cache, fingerprint_of(folder, *files, fmt::format("side {} centre {}", crop.side, crop.centre)),
                   static_cast<int64_t>(files->size()), size, [&](int64_t i, uint8_t* out) { decode(i, nullptr, out); });
  ImageSplit split;
  split.labels = std::move(list.labels);
  split.read = [=](int64_t i, float* out, Stream* augment) {
    std::vector<uint8_t> fresh;
    const uint8_t* in = pictures.file ? pictures.file->data() + pictures.offset + i * size : nullptr;
    if (!in) {
      fresh.resize(static_cast<size_t>(size));
      decode(i, random ? augment : nullptr, fresh.data());
      in = fresh.data();
    }
    for (int64_t k = 0; k < size; ++k) out[k] = static_cast<float>(in[k]) / 255.0f;
  };
  return split;
}

namespace {

struct FolderOptions {
  bool partial = false;
  int64_t size = 64;
  double centre_crop = 1, random_crop = 1;
  bool cache = true;

  // Binds the keys; the defaults are the members' values.
  void options(OptionList& o) {
    const Range share{.min = 0, .max = 1, .min_open = true};
    o.flag("partial", partial, partial, "take what is there of the files, for trying things out on a part of the data");
    o.integer("size", size, size, within(8, 4096), "pictures are resized to so many pixels each way");
    o.number("centre_crop", centre_crop, centre_crop, share,
             "the centred square of this part of the shorter side is taken and resized");
    o.number("random_crop", random_crop, random_crop, share,
             "training pictures are random crops of at least this part of the area, resized; 1: the centred square");
    o.flag("cache", cache, cache,
           "keep pictures that are always cropped alike decoded in a file beside them, or in ~/.cache/tacet");
  }
};

ImageData load_image_folder(const Values& data, const std::string& name) {
  const auto o = read_options<FolderOptions>(data);
  const bool tiny = name == "tiny-imagenet", partial = o.partial;
  const fs::path root = find_folder(data, name, tiny ? "tiny-imagenet-200" : name, {tiny ? "wnids.txt" : "train"});
  const std::string train = (root / "train").string();
  ImageData set;
  set.place = root.string();
  set.classes = tiny ? lines_of(root / "wnids.txt") : class_folders(train);
  if (tiny) std::sort(set.classes.begin(), set.classes.end());
  const auto classes = static_cast<int64_t>(set.classes.size());
  if (const int64_t want = tiny ? 200 : name == "imagenet" ? 1000 : classes; classes != want && !partial)
    throw UserError(fmt::format("{}: must have {} classes, got {}; data.partial = true takes what is there",
                                (tiny ? root / "wnids.txt" : root / "train").string(), want, classes));
  PictureCrop crop;
  crop.side = o.size;
  crop.centre = o.centre_crop;
  crop.least_area = o.random_crop;
  set.shape = {3, crop.side, crop.side, classes};
  set.mean = {0.485, 0.456, 0.406};
  set.deviation = {0.229, 0.224, 0.225};
  if (tiny) set.mean = {0.4802, 0.4481, 0.3975}, set.deviation = {0.2770, 0.2691, 0.2821};

  const bool random = crop.least_area < 1;
  const std::string cache = o.cache ? fmt::format("tacet-{}", crop.side) : "";
  set.train = split_of_pictures(train, list_by_class(train, set.classes, partial), crop, random, cache);
  std::error_code ignored;
  const std::string val = (root / (!tiny && !fs::exists(root / "val", ignored) ? "test" : "val")).string();
  set.test = split_of_pictures(
      val, tiny ? list_by_table(val, "val_annotations.txt", set.classes, partial) : list_by_class(val, set.classes, partial),
      crop, false, cache);
  return set;
}

DatasetInfo folder_row(const std::string& name, std::string origin, std::string summary, const FolderOptions& defaults,
                       int64_t crop_padding, std::vector<std::string> files) {
  std::vector<Option> own = options_of(defaults);
  own.insert(own.begin(), root_option());
  return {.name = name,
          .paper = std::move(origin),
          .summary = std::move(summary),
          .task = "classification",
          .options = image_options(own, {.crop_padding = crop_padding, .flip = true}),
          .files = std::move(files),
          .images = [name](const Values& data) { return load_image_folder(data, name); }};
}

}  // namespace

namespace built_in {

std::vector<DatasetInfo> image_folder() {
  return {
      folder_row(
          "tiny-imagenet", "Le and Yang, 2015, Tiny ImageNet Visual Recognition Challenge; ImageNet's terms, research use",
          "photographs, 64 × 64 in colour, 200 classes, 100,000 training and 10,000 validation images, which serve as test "
          "images",
          {}, 4,
          {"tiny-imagenet-200/wnids.txt", "train/CLASS/images/*.JPEG", "val/images/*.JPEG", "val/val_annotations.txt"}),
      folder_row(
          "imagenet", "Russakovsky et al., 2015, ImageNet Large Scale Visual Recognition Challenge 2012; research use",
          "photographs in colour, 1,000 classes, 1,281,167 training and 50,000 validation images, which serve as test "
          "images",
          {.size = 224, .centre_crop = 0.875, .random_crop = 0.08}, 0, {"train/CLASS/*.JPEG", "val/CLASS/*.JPEG"}),
      folder_row("image-folder", "your own", "JPEG or PNG pictures in a folder for each class", {}, 0,
                 {"train/CLASS/…", "val/CLASS/… or test/CLASS/…"}),
  };
}

}  // namespace built_in
}  // namespace tacet
