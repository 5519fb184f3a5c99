// Lists the pictures that lie in a folder for each class. Every file is listed, left out by the rules on names, left out and
// counted, or an error. Pictures are not decoded here (data/files/picture.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tacet {

// Files that were left out because tacet can't read their kind.
class LeftOut {
 public:
  void add(const std::string& kind, const std::string& file);
  // Returns a line for people, "6 files left out: 3 heic, 2 psd, 1 txt (cat/a.heic, …)"; empty where nothing was left out.
  std::string told() const;

 private:
  int64_t count_ = 0;
  std::map<std::string, int64_t> kinds_;
  std::vector<std::string> files_;  // the first few
};

// Pictures with their classes, as paths relative to a folder, sorted.
struct PictureList {
  std::vector<std::string> files;
  std::vector<int32_t> labels;
  LeftOut left_out;
};

// Tells if files and folders of that name are left out without a word: what systems and programs put beside pictures.
// docs/guide/data.md has the list.
bool left_out_by_name(const std::string& name);

// Returns the names of the folders in a folder, and of links to folders, sorted. Throws UserError naming what can't be read.
std::vector<std::string> folders_in(const std::string& folder);
// Returns the same as names of classes. Throws UserError where there are less than two.
std::vector<std::string> class_folders(const std::string& folder);

// Returns the pictures in folder/place and in the folders below it, as paths relative to `folder`, sorted. Files
// of the formats that are read are pictures, whatever they are called. Links are followed. Throws UserError naming a folder
// or file that can't be read, or a link that leads back to where it is.
std::vector<std::string> pictures_below(const std::string& folder, const std::string& place, LeftOut& left_out);

// Returns the pictures of FOLDER/CLASS/…: the class is the first folder's name, one of `classes`; pictures may lie deeper.
// Throws UserError when a class has no pictures or a folder is no class (unless `partial`), when nothing is there or
// something can't be read.
PictureList list_by_class(const std::string& folder, const std::vector<std::string>& classes, bool partial);

}  // namespace tacet
