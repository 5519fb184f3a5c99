// One picture in a JPEG or PNG file as square RGB bytes of a given side. Classes are not known here
// (data/images/image_folder.h).
#pragma once

#include <cstdint>
#include <string>

#include "tacet/random.h"

namespace tacet {

// The part of a picture that is taken and resized (antialiased bilinear) to side × side.
struct PictureCrop {
  int64_t side = 224;
  // Without a stream: the centred square whose side is `centre` of the picture's shorter side. The usual evaluation on
  // ImageNet is 224/256.
  double centre = 1;
  // With a stream: a rectangle of a random part of the area, least_area … 1, and of aspect 3/4 … 4/3, at a random place
  // (Szegedy et al., CVPR 2015; ten tries, then the centred square).
  double least_area = 0.08;
};

// Writes [3, side, side] bytes: red, green and blue plane. A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size where the
// result still has at least `side` pixels each way. Pixels are the file's values: transparency is dropped, 16 bits are
// rounded to 8, gamma, colour profile and EXIF orientation are not applied. Grey and CMYK pictures become RGB. Throws
// UserError naming the file when it can't be read, is neither JPEG nor PNG, is damaged or cut off.
void read_picture(const std::string& path, const PictureCrop& crop, Stream* random, uint8_t* out);

// Returns what a file is by its first bytes, in lower case: "jpg", "png", "webp", …; empty where they tell nothing. 16 bytes
// are enough.
std::string picture_kind(const uint8_t* bytes, int64_t size);

}  // namespace tacet
