// See class_folders.h.
#include "data/images/class_folders.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "data/files/picture.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

std::string in_lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

[[noreturn]] void cannot_read(const fs::path& path, const std::string& why) {
  throw UserError(path.string() + ": can't be read: " + why);
}

// Returns the entries of a folder that are not left out by their names, sorted.
std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  auto entry = fs::directory_iterator(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    if (!left_out_by_name(entry->path().filename().string())) entries.push_back(*entry);
  if (error) cannot_read(folder, error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

// Tells if an entry is a folder or a link to one.
bool is_folder(const fs::directory_entry& entry) {
  std::error_code error;
  const bool folder = entry.is_directory(error);
  std::error_code unknown;
  if (entry.is_symlink(unknown) && !fs::exists(entry.path(), error) && !error)
    throw UserError(entry.path().string() + ": is a link to " + fs::read_symlink(entry.path()).string() +
                    ", which does not exist");
  if (error) cannot_read(entry.path(), error.message());
  return folder;
}

// Returns what a file is: by the end of its name where that is a picture's that is read, else by its first bytes, else by
// its name's end. ImageNet's million files are thus not opened to be listed. Their content decides when they are decoded.
std::string file_kind(const fs::directory_entry& entry) {
  std::string end = in_lower_case(entry.path().extension().string());
  end.erase(0, 1);
  if (const std::string kind = picture_kind_of_name(end); !kind.empty()) return kind;
  if (!entry.is_regular_file()) return "no plain file";
  std::ifstream in(entry.path(), std::ios::binary);
  if (!in) cannot_read(entry.path(), std::strerror(errno));
  std::array<char, kPictureMark> bytes{};
  in.read(bytes.data(), bytes.size());
  const std::string kind = picture_kind(reinterpret_cast<const uint8_t*>(bytes.data()), in.gcount());
  if (!kind.empty()) return kind;
  return !end.empty() ? end : "without an ending";
}

// A folder as the system knows it, whatever links lead to it.
using FolderId = std::pair<dev_t, ino_t>;

FolderId id_of(const fs::path& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) cannot_read(folder, std::strerror(errno));
  return {info.st_dev, info.st_ino};
}

// A walk through a folder and those below it.
struct Walk {
  std::vector<std::string>& pictures;
  LeftOut& left_out;
  std::vector<FolderId> above = {};  // the folders that the walk is in

  void enter(const fs::path& folder, const std::string& name) {
    const FolderId id = id_of(folder);
    if (std::find(above.begin(), above.end(), id) != above.end())
      throw UserError(folder.string() + ": leads back to a folder that it lies in");
    above.push_back(id);
    for (const fs::directory_entry& entry : entries_of(folder)) {
      const std::string below = name + "/" + entry.path().filename().string();
      if (is_folder(entry)) {
        enter(entry.path(), below);
      } else if (const std::string kind = file_kind(entry); reads_picture_kind(kind)) {
        pictures.push_back(below);
      } else {
        left_out.add(kind, below);
      }
    }
    above.pop_back();
  }
};

// Counts the files beside the class folders. A folder that is no class is an error, or counted where `partial`.
void count_strangers(const std::string& folder, const std::vector<std::string>& classes, bool partial, LeftOut& left_out) {
  for (const fs::directory_entry& entry : entries_of(folder)) {
    const std::string name = entry.path().filename().string();
    const bool inside = is_folder(entry);
    if (inside && std::find(classes.begin(), classes.end(), name) != classes.end()) continue;
    if (inside && !partial)
      throw UserError(entry.path().string() + ": is no class of the training set, which has no folder of that name");
    left_out.add(inside ? "folder of no class" : file_kind(entry) + " beside the class folders", name);
  }
}

std::string plus_told(const LeftOut& left_out) { return left_out.told().empty() ? "" : "; " + left_out.told(); }

}  // namespace

void LeftOut::add(const std::string& kind, const std::string& file) {
  ++count_;
  ++kinds_[kind];
  if (files_.size() < 4) files_.push_back(visible(file));
}

std::string LeftOut::told() const {
  if (count_ == 0) return "";
  std::vector<std::pair<std::string, int64_t>> kinds(kinds_.begin(), kinds_.end());
  std::stable_sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> parts;
  for (const auto& [kind, n] : kinds) parts.push_back(fmt::format("{} {}", n, kind));
  return fmt::format("{} file{} left out: {} ({}{})", count_, count_ == 1 ? "" : "s", fmt::join(parts, ", "),
                     fmt::join(files_, ", "), count_ > static_cast<int64_t>(files_.size()) ? ", …" : "");
}

bool left_out_by_name(const std::string& name) {
  static const std::vector<std::string> names = {"thumbs.db", "ehthumbs.db", "desktop.ini",  "icon\r",
                                                 "__macosx",  "@eadir",      "$recycle.bin", "system volume information",
                                                 "lost+found"};
  const auto ends = [&](const std::string& end) {
    return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  if (name.empty() || name[0] == '.' || ends("_boxes.txt")) return true;
  if (name.rfind("tacet-", 0) == 0 && (ends(".pictures") || ends(".pictures.lock") || ends(".pictures.part"))) return true;
  return std::find(names.begin(), names.end(), in_lower_case(name)) != names.end();
}

std::vector<std::string> folders_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries_of(folder))
    if (is_folder(entry)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> class_folders(const std::string& folder) {
  const std::vector<std::string> names = folders_in(folder);
  if (names.empty()) throw UserError(folder + ": must hold a folder for each class, has none");
  if (names.size() > 1) return names;
  const std::string only = (fs::path(folder) / names[0]).string();
  const std::vector<std::string> below = folders_in(only);
  throw UserError(fmt::format(
      "{}: must hold a folder for each of two or more classes, has only {}/{}", folder, names[0],
      below.empty()
          ? ""
          : fmt::format("; the folders in {} look like classes ({}): they must lie one level higher", only,
                        fmt::join(below.begin(), below.begin() + std::min<ptrdiff_t>(3, std::ssize(below)), ", "))));
}

std::vector<std::string> pictures_below(const std::string& folder, const std::string& place, LeftOut& left_out) {
  std::vector<std::string> pictures;
  Walk{pictures, left_out, {id_of(folder)}}.enter(fs::path(folder) / place, place);
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

PictureList list_by_class(const std::string& folder, const std::vector<std::string>& classes, bool partial) {
  PictureList list;
  count_strangers(folder, classes, partial, list.left_out);
  for (size_t c = 0; c < classes.size(); ++c) {
    const fs::path place = fs::path(folder) / classes[c];
    std::error_code error;
    std::vector<std::string> files;
    if (fs::exists(place, error) || error) files = pictures_below(folder, classes[c], list.left_out);
    if (files.empty() && !partial)
      throw UserError(place.string() + ": must hold the pictures of a class, has none" + plus_told(list.left_out));
    list.files.insert(list.files.end(), files.begin(), files.end());
    list.labels.insert(list.labels.end(), files.size(), static_cast<int32_t>(c));
  }
  if (list.files.empty())
    throw UserError(folder + ": must hold pictures in a folder for each class, has none" + plus_told(list.left_out));
  return list;
}

}  // namespace tacet
