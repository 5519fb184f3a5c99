// Decoders of picture files, one file a format (picture_png.cc, …). A decoder gives the values that the file holds as RGB
// bytes: it applies no gamma, no colour profile and no orientation, and drops transparency. Kinds, crops and sizes are not
// its business (picture.cc). These files need no torch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tacet {

struct PictureSize {
  int64_t height, width;
};

// A picture as bytes [height, width, 3], perhaps at a part of its size.
struct Pixels {
  PictureSize size;
  std::vector<uint8_t> rgb;
};

// The bytes of a file that is decoded. They outlive the decoder.
struct PictureBytes {
  const std::string& path;
  const char* format;  // for messages, "PNG"
  const uint8_t* data;
  size_t size;

  // Throws UserError naming file, format and reason.
  [[noreturn]] void fail(const std::string& why) const;
  // Throws UserError where a header claims no size, or more than a hundred million pixels and more than a thousand for each
  // byte of the file. Solid colours of that size are damage or an attack, and their memory is not taken.
  void check_size(const PictureSize& size) const;
  // Returns black pixels, after check_size.
  Pixels blank(const PictureSize& size) const;
};

// Returns a value of 0 … most as one of 0 … 255, rounded: for 16 bits round(value / 257).
inline uint8_t as_byte(uint64_t value, uint64_t most) { return static_cast<uint8_t>((510 * value + most) / (2 * most)); }

// All throw UserError naming the file when it is damaged, cut off or of a kind that can't be read.
Pixels decode_png(const PictureBytes& file);
// Animated pictures give their first frame.
Pixels decode_webp(const PictureBytes& file);
// The first page. CMYK becomes RGB as (255 − ink)·(255 − black)/255; colours multiplied by alpha are divided by it again.
Pixels decode_tiff(const PictureBytes& file);
// The first frame. Pixels that it leaves open have the transparent colour, or the palette's first.
Pixels decode_gif(const PictureBytes& file);
// Windows' and OS/2's bitmaps of 1 to 32 bits, plain or run-length coded.
Pixels decode_bmp(const PictureBytes& file);
// PBM, PGM and PPM in text or binary, of any greatest value.
Pixels decode_pnm(const PictureBytes& file);

}  // namespace tacet
