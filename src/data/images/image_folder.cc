// See image_folder.h.
#include "data/images/image_folder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "base/utf8.h"
#include "data/files/lines.h"
#include "data/files/locate.h"
#include "data/images/image_cache.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Returns the class names of wnids.txt, one a line. Throws UserError where a class stands there twice.
std::vector<std::string> names_in(const fs::path& path) {
  std::vector<std::string> names;
  std::set<std::string, std::less<>> seen;
  for_each_line(path.string(), [&](std::string_view line, int64_t number) {
    const std::string_view name = trimmed(line);
    if (name.empty()) return;
    if (!seen.emplace(name).second)
      throw UserError(fmt::format("{}:{}: must have each class once, got {} twice", path.string(), number, name));
    names.emplace_back(name);
  });
  return names;
}

}  // namespace

PictureList list_by_table(const std::string& folder, const std::string& table, const std::vector<std::string>& classes,
                          bool partial) {
  std::map<std::string, int32_t> index;
  for (const std::string& name : classes) index.emplace(name, static_cast<int32_t>(index.size()));
  PictureList list;
  const std::string path = (fs::path(folder) / table).string();
  for_each_line(path, [&](std::string_view line, int64_t number) {
    if (trimmed(line).empty()) return;
    std::istringstream words{std::string(line)};
    std::string file, name;
    words >> file >> name;
    if (!index.count(name))
      throw UserError(fmt::format("{}:{}: must be a file and its class, one of wnids.txt, got \"{}\"", path, number, line));
    file = "images/" + file;
    std::error_code error;
    if (!fs::exists(fs::path(folder) / file, error)) {
      if (partial) return;
      throw UserError(fmt::format("{}: does not exist, though {}:{} names it; data.partial = true takes what is there",
                                  (fs::path(folder) / file).string(), path, number));
    }
    list.files.push_back(file);
    list.labels.push_back(index[name]);
  });
  if (list.files.empty()) throw UserError(path + ": names no picture that is there");
  const std::set<std::string> named(list.files.begin(), list.files.end());
  for (const std::string& file : pictures_below(folder, "images", list.left_out))
    if (!named.count(file)) list.left_out.add("picture that " + table + " does not name", file);
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

// The folders of the splits, as they are called below the root. `valid` may be empty.
struct SplitFolders {
  std::string valid, test;
};

// Finds val/ (also called valid/ or validation/) and test/. Where there is only one of them it is the test set. ImageNet's
// own test/ has no classes, so it is not read beside val/.
SplitFolders split_folders(const fs::path& root, bool own, std::vector<std::string>& notes) {
  std::string val, test, others;
  for (const std::string& name : folders_in(root.string())) {
    const bool is_val = name == "val" || name == "valid" || name == "validation";
    if (is_val && !val.empty())
      throw UserError(
          fmt::format("{}: must have one folder of validation images, has {}/ and {}/", root.string(), val, name));
    if (is_val) val = name;
    if (name == "test") test = name;
    if (!is_val && name != "test" && name != "train") others += (others.empty() ? "" : ", ") + name + "/";
  }
  if (!others.empty() && own) notes.push_back(fmt::format("{}: not read: {}", root.string(), others));
  if (val.empty() && test.empty()) throw UserError(root.string() + ": must have val/ or test/ beside train/, has neither");
  if (val.empty() || test.empty()) return {"", val.empty() ? test : val};
  return own ? SplitFolders{val, test} : SplitFolders{"", val};
}

ImageData load_image_folder(const Values& data, const std::string& name) {
  const auto o = read_options<FolderOptions>(data);
  const bool tiny = name == "tiny-imagenet", partial = o.partial;
  const fs::path root = find_folder(data, name, tiny ? "tiny-imagenet-200" : name, {tiny ? "wnids.txt" : "train"});
  const std::string train = (root / "train").string();
  ImageData set;
  set.place = root.string();
  set.classes = tiny ? names_in(root / "wnids.txt") : class_folders(train);
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

  const std::string cache = o.cache ? fmt::format("tacet-{}", crop.side) : "";
  if (tiny) set.files = {(root / "wnids.txt").string(), (root / "val" / "val_annotations.txt").string()};
  const auto read = [&](const std::string& split, bool table) {
    const std::string folder = (root / split).string();
    PictureList list = table ? list_by_table(folder, "val_annotations.txt", set.classes, partial)
                             : list_by_class(folder, set.classes, partial);
    if (const std::string told = list.left_out.told(); !told.empty()) set.notes.push_back(folder + ": " + told);
    for (const std::string& file : list.files) set.files.push_back((fs::path(folder) / file).string());
    return split_of_pictures(folder, std::move(list), crop, split == "train" && crop.least_area < 1, cache);
  };
  const SplitFolders others = tiny ? SplitFolders{"", "val"} : split_folders(root, name == "image-folder", set.notes);
  set.train = read("train", false);
  if (!others.valid.empty()) set.valid = read(others.valid, false);
  set.test = read(others.test, tiny);
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
      folder_row("image-folder", "your own", "Pictures in a folder for each class", {}, 0,
                 {"train/CLASS/…", "val/CLASS/… and test/CLASS/…, or one of them, which then is the test set"}),
  };
}

}  // namespace built_in
}  // namespace tacet
