// CIFAR-10 and CIFAR-100 in their binary version: records of one label byte (CIFAR-100: a coarse and a fine one) and 3 × 32
// × 32 bytes, red, green and blue plane one after the other. The files are mapped, not loaded.
#pragma once

#include <string>
#include <vector>

#include "tacet/image_data.h"

namespace tacet {

struct CifarFormat {
  int64_t label_bytes = 1;  // the last one is the label
  int64_t classes = 10;
  int64_t records = 10000;  // records that each file must hold; 0: any number of whole ones
};

// The records of the files, one after the other. Throws UserError naming the file, and the record for a wrong label.
ImageSplit read_cifar(const std::vector<std::string>& files, const CifarFormat& format);

}  // namespace tacet
