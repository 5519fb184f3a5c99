// Data sets that are folders of pictures: ImageNet, Tiny ImageNet and one's own. Listing folders is in class_folders.h,
// reading one picture in data/files/picture.h.
#pragma once

#include <string>
#include <vector>

#include "data/files/picture.h"
#include "data/images/class_folders.h"
#include "tacet/image_data.h"

namespace tacet {

// Returns Tiny ImageNet's validation set: val/images with a table of file, class and box, tab-separated.
PictureList list_by_table(const std::string& folder, const std::string& table, const std::vector<std::string>& classes,
                          bool partial);

// Returns the pictures as a split. `random`: training crops are drawn, so each read decodes; otherwise every read gives the
// same bytes, and `cache` (empty: none) names the file that keeps them decoded beside the folder.
ImageSplit split_of_pictures(const std::string& folder, PictureList list, const PictureCrop& crop, bool random,
                             const std::string& cache);

}  // namespace tacet
