// The size of a data set's images and the number of its classes: all that image data and image models must agree on.
#pragma once

#include <cstdint>

namespace tacet {

struct ImageShape {
  int64_t channels = 1, height = 0, width = 0;
  int64_t classes = 0;
  int64_t size() const { return channels * height * width; }  // numbers of one image
};

}  // namespace tacet
