// Data sets that are folders of pictures: ImageNet, Tiny ImageNet and one's own. Reading one
// picture is in data/files/picture.h.
#pragma once

#include <string>
#include <vector>

#include "data/files/picture.h"
#include "tacet/image_data.h"

namespace tacet {

// Pictures with their classes, as paths relative to a folder, sorted.
struct PictureList {
  std::vector<std::string> files;
  std::vector<int32_t> labels;
};

// Returns the pictures of FOLDER/CLASS/…: the class is the first folder's name, one of `classes`; pictures may lie deeper.
// Files that are not called *.jpg, *.jpeg or *.png (in any case) are left out. Throws UserError when the folder or a class
// is missing (unless `partial`) or nothing is there.
PictureList list_by_class(const std::string& folder, const std::vector<std::string>& classes, bool partial);
// Returns the names of the folders in a folder, sorted.
std::vector<std::string> class_folders(const std::string& folder);
// Returns Tiny ImageNet's validation set: val/images with a table of file, class and box, tab-separated.
PictureList list_by_table(const std::string& folder, const std::string& table, const std::vector<std::string>& classes,
                          bool partial);

// Returns the pictures as a split. `random`: training crops are drawn, so each read decodes; otherwise every read gives the
// same bytes, and `cache` (empty: none) names the file that keeps them decoded beside the folder.
ImageSplit split_of_pictures(const std::string& folder, PictureList list, const PictureCrop& crop, bool random,
                             const std::string& cache);

}  // namespace tacet
