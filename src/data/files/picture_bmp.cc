// Reads Windows' and OS/2's bitmaps (BMP). No library in reach reads all of them, tells a file that is cut off and keeps
// values of 5 and 6 bits, and the format is a table of rows. See picture_formats.h.
#include <array>
#include <bit>
#include <cstdlib>

#include "data/files/picture_formats.h"

namespace tacet {
namespace {

enum BmpCompression : uint32_t { kPlain = 0, kRuns8 = 1, kRuns4 = 2, kMasks = 3, kMasksAndAlpha = 6 };
constexpr uint32_t kOs2Header = 12, kWindowsHeader = 40, kOs2LongHeader = 64;

struct BmpHeader {
  PictureSize size;
  bool from_top;
  uint32_t bits, compression;
  size_t pixels;                                // where they begin
  std::vector<std::array<uint8_t, 3>> palette;  // red, green, blue
  std::array<uint32_t, 3> masks = {0, 0, 0};    // of red, green, blue in a pixel of 16 bits or more
};

// Returns an unsigned number of `bytes` bytes, low byte first.
uint32_t number_at(const PictureBytes& file, size_t at, size_t bytes) {
  if (at > file.size || bytes > file.size - at) file.fail("it is cut off");
  uint32_t n = 0;
  for (size_t k = 0; k < bytes; ++k) n |= uint32_t{file.data[at + k]} << (8 * k);
  return n;
}

void read_palette(const PictureBytes& file, BmpHeader& h, uint32_t header, uint32_t used) {
  const size_t begin = 14 + header, entry = header == kOs2Header ? 3 : 4;
  size_t colours = size_t{1} << h.bits;
  if (used != 0) colours = std::min<size_t>(colours, used);
  if (h.pixels > begin) colours = std::min(colours, (h.pixels - begin) / entry);
  for (size_t k = 0; k < colours; ++k) {
    const uint32_t bgr = number_at(file, begin + k * entry, 3);
    h.palette.push_back({static_cast<uint8_t>(bgr >> 16), static_cast<uint8_t>(bgr >> 8), static_cast<uint8_t>(bgr)});
  }
}

void read_masks(const PictureBytes& file, BmpHeader& h) {
  if (h.compression == kPlain) {
    h.masks = h.bits == 16 ? std::array<uint32_t, 3>{0x7c00, 0x3e0, 0x1f} : std::array<uint32_t, 3>{0xff0000, 0xff00, 0xff};
    return;
  }
  for (size_t c = 0; c < 3; ++c) h.masks[c] = number_at(file, 54 + 4 * c, 4);
}

// Throws where bits a pixel and compression are none that belong together.
void check_kind(const PictureBytes& file, const BmpHeader& h, uint32_t header) {
  const bool indices = h.bits == 1 || h.bits == 2 || h.bits == 4 || h.bits == 8;
  const bool known = h.compression == kPlain   ? indices || h.bits == 16 || h.bits == 24 || h.bits == 32
                     : h.compression == kRuns8 ? h.bits == 8
                     : h.compression == kRuns4 ? h.bits == 4
                     : h.compression == kMasks || h.compression == kMasksAndAlpha
                         ? (h.bits == 16 || h.bits == 32) && header != kOs2LongHeader
                         : false;
  if (!known)
    file.fail("it has " + std::to_string(h.bits) + " bits a pixel and compression " + std::to_string(h.compression) +
              ", which is not read");
}

BmpHeader read_header(const PictureBytes& file) {
  const uint32_t header = number_at(file, 14, 4);
  BmpHeader h{};
  h.pixels = number_at(file, 10, 4);
  uint32_t used = 0;
  if (header == kOs2Header) {
    h.size = {number_at(file, 20, 2), number_at(file, 18, 2)};
    h.bits = number_at(file, 24, 2);
  } else {
    const auto height = static_cast<int32_t>(number_at(file, 22, 4));  // below 0 where the first row is the top one
    h.from_top = height < 0;
    h.size = {std::abs(int64_t{height}), static_cast<int32_t>(number_at(file, 18, 4))};
    h.bits = number_at(file, 28, 2);
    h.compression = number_at(file, 30, 4);
    used = number_at(file, 46, 4);
  }
  check_kind(file, h, header);
  h.bits <= 8 ? read_palette(file, h, header, used) : read_masks(file, h);
  return h;
}

void write_index(const PictureBytes& file, const BmpHeader& h, size_t index, uint8_t* rgb) {
  if (index >= h.palette.size())
    file.fail("a pixel has colour " + std::to_string(index) + " of a palette of " + std::to_string(h.palette.size()));
  std::copy(h.palette[index].begin(), h.palette[index].end(), rgb);
}

void write_masked(const BmpHeader& h, uint32_t pixel, uint8_t* rgb) {
  for (size_t c = 0; c < 3; ++c) {
    const uint32_t mask = h.masks[c];
    const int shift = mask == 0 ? 0 : std::countr_zero(mask);
    rgb[c] = mask == 0 ? 0 : as_byte((pixel & mask) >> shift, mask >> shift);
  }
}

// Returns where a row, counted as in the file, lies in the picture.
uint8_t* row_of(const BmpHeader& h, Pixels& p, int64_t y) {
  return p.rgb.data() + 3 * p.size.width * (h.from_top ? y : p.size.height - 1 - y);
}

Pixels read_plain(const PictureBytes& file, const BmpHeader& h) {
  file.check_size(h.size);
  const auto width = static_cast<size_t>(h.size.width), height = static_cast<size_t>(h.size.height);
  const size_t step = (width * h.bits + 31) / 32 * 4, last = (width * h.bits + 7) / 8;
  if (h.pixels > file.size || step * (height - 1) + last > file.size - h.pixels) file.fail("it is cut off");
  Pixels p = file.blank(h.size);
  for (size_t y = 0; y < height; ++y) {
    const uint8_t* in = file.data + h.pixels + step * y;
    uint8_t* out = row_of(h, p, static_cast<int64_t>(y));
    for (size_t x = 0; x < width; ++x, out += 3) {
      if (h.bits <= 8) {
        const size_t bit = x * h.bits;
        write_index(file, h, static_cast<size_t>(in[bit / 8] >> (8 - h.bits - bit % 8)) & ((1u << h.bits) - 1), out);
      } else {
        write_masked(h, number_at(file, static_cast<size_t>(in - file.data) + x * h.bits / 8, h.bits / 8), out);
      }
    }
  }
  return p;
}

// The run-length code: pairs of a count and an index (two of 4 bits in turn). A count of 0 ends a row (0), ends the picture
// (1), moves (2) or announces that many single indices. Pixels that are passed over have the palette's first colour.
Pixels read_runs(const PictureBytes& file, const BmpHeader& h) {
  Pixels p = file.blank(h.size);
  for (size_t k = 0; k < p.rgb.size(); k += 3) write_index(file, h, 0, p.rgb.data() + k);
  int64_t x = 0, y = 0;
  const auto put = [&](size_t index) {
    if (x < p.size.width && y < p.size.height) write_index(file, h, index, row_of(h, p, y) + 3 * x);
    ++x;
  };
  const auto index_of = [&](uint32_t byte, size_t k) -> size_t {
    return h.bits == 8 ? byte : k % 2 == 0 ? byte >> 4 : byte & 15;
  };
  for (size_t at = h.pixels; y < p.size.height;) {
    const size_t count = number_at(file, at, 1), second = number_at(file, at + 1, 1);
    at += 2;
    if (count > 0) {
      for (size_t k = 0; k < count; ++k) put(index_of(static_cast<uint32_t>(second), k));
    } else if (second == 0) {
      x = 0, ++y;
    } else if (second == 1) {
      break;
    } else if (second == 2) {
      x += number_at(file, at, 1), y += number_at(file, at + 1, 1);
      at += 2;
    } else {
      for (size_t k = 0; k < second; ++k) put(index_of(number_at(file, at + k * h.bits / 8, 1), k));
      at += (second * h.bits / 8 + (second * h.bits % 8 != 0) + 1) / 2 * 2;
    }
  }
  return p;
}

}  // namespace

Pixels decode_bmp(const PictureBytes& file) {
  const BmpHeader h = read_header(file);
  return h.compression == kRuns8 || h.compression == kRuns4 ? read_runs(file, h) : read_plain(file, h);
}

}  // namespace tacet
