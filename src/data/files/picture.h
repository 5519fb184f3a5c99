// One picture of a file as square RGB bytes of a given side. The formats' decoders are in picture_formats.h; classes are not
// known here (data/images/image_folder.h).
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
// result still has at least `side` pixels each way. Pixels are the file's values: transparency is dropped, other ranges are
// rounded to 0 … 255, gamma, colour profile and orientation are not applied. Grey, palette and CMYK pictures become RGB, and
// the first of several pictures counts. Throws UserError naming the file when it can't be read, is of another kind, is
// damaged or cut off.
void read_picture(const std::string& path, const PictureCrop& crop, Stream* random, uint8_t* out);

// Bytes that picture_kind needs at most.
constexpr int64_t kPictureMark = 18;

// Returns what a file is by its first bytes: "jpg", "png", "webp", "tiff", "gif", "bmp", "pnm"; or "avif", "heic", …, which
// are not read; empty where they tell nothing.
std::string picture_kind(const uint8_t* bytes, int64_t size);

// Returns the kind of picture that files with such an end of the name are, in lower case and without the dot; empty where it
// names none that is read.
std::string picture_kind_of_name(const std::string& end);

// Tells if pictures of that kind are read.
bool reads_picture_kind(const std::string& kind);

// Returns the formats that are read, for messages.
std::string picture_formats();

}  // namespace tacet
