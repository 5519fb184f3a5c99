// The size of a data set's images and the number of its classes, on which image data and image models agree.
#pragma once

#include <cstdint>

namespace tacet {

struct ImageShape {
  int64_t channels = 1, height = 0, width = 0;
  int64_t classes = 0;
  int64_t size() const { return channels * height * width; }  // floats of one image
};

}  // namespace tacet
