// Picture files that tests write: WebP, TIFF and GIF with the formats' own libraries, BMP and PNM by hand.
#pragma once

#include <gif_lib.h>
#include <tiffio.h>
#include <webp/encode.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/files.h"
#include "support/temp_folder.h"

namespace tacet::test {

using Bytes = std::vector<uint8_t>;

inline std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// Returns a number as `n` bytes, low byte first.
inline std::string little(uint64_t number, int n) {
  std::string bytes;
  for (int k = 0; k < n; ++k) bytes += static_cast<char>(number >> (8 * k));
  return bytes;
}

// Returns a lossless WebP file. With alpha, `values` are RGBA, and colours below an alpha of 0 are kept.
inline std::string webp(int height, int width, const Bytes& values, bool alpha = false) {
  WebPConfig config;
  WebPPicture picture;
  WebPMemoryWriter out;
  if (!WebPConfigInit(&config) || !WebPPictureInit(&picture)) throw std::runtime_error("libwebp is of another version");
  WebPMemoryWriterInit(&out);
  config.lossless = config.exact = picture.use_argb = 1;
  picture.height = height;
  picture.width = width;
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &out;
  const bool done = (alpha ? WebPPictureImportRGBA(&picture, values.data(), 4 * width)
                           : WebPPictureImportRGB(&picture, values.data(), 3 * width)) &&
                    WebPEncode(&config, &picture);
  std::string bytes(reinterpret_cast<const char*>(out.mem), out.size);
  WebPPictureFree(&picture);
  WebPMemoryWriterClear(&out);
  if (!done) throw std::runtime_error("libwebp can't write the picture");
  return bytes;
}

inline std::string riff_chunk(const std::string& name, const std::string& data) {
  return name + little(data.size(), 4) + data + std::string(data.size() % 2, '\0');
}

// Returns an animation of still pictures that lie at (x, y), both even, of a larger one.
inline std::string animated_webp(int height, int width, const std::vector<std::string>& stills, int x, int y,
                                 int frame_height, int frame_width) {
  std::string chunks = riff_chunk("VP8X", std::string("\x02\0\0\0", 4) + little(static_cast<uint64_t>(width) - 1, 3) +
                                              little(static_cast<uint64_t>(height) - 1, 3)) +
                       riff_chunk("ANIM", std::string(6, '\0'));
  for (const std::string& still : stills)
    chunks += riff_chunk("ANMF", little(static_cast<uint64_t>(x) / 2, 3) + little(static_cast<uint64_t>(y) / 2, 3) +
                                     little(static_cast<uint64_t>(frame_width) - 1, 3) +
                                     little(static_cast<uint64_t>(frame_height) - 1, 3) + little(100, 3) + '\0' +
                                     still.substr(12));
  return riff_chunk("RIFF", "WEBP" + chunks);
}

struct TiffPages {
  uint32_t height = 5, width = 5;
  Bytes values;  // pixel by pixel; values of 16 bits in the machine's order of bytes
  uint16_t photometric = PHOTOMETRIC_RGB, bits = 8, samples = 3;
  uint16_t compression = COMPRESSION_NONE;
  bool apart = false, tiles = false;
  uint32_t rows_per_strip = 2;
  std::vector<uint16_t> extra = {};                 // what the values behind the colours are
  std::vector<std::vector<uint16_t>> palette = {};  // red, green, blue
  uint16_t orientation = ORIENTATION_TOPLEFT, format = SAMPLEFORMAT_UINT;
  uint32_t subfile = 0;
  int pages = 1;  // equal ones; those behind the first are inverted
  const char* mode = "w";
};

// Returns the bytes of channel c alone where channels lie apart, else all.
inline Bytes tiff_plane(const TiffPages& t, size_t c) {
  if (!t.apart) return t.values;
  Bytes plane;
  const size_t bytes = t.bits / 8u;
  for (size_t k = c * bytes; k < t.values.size(); k += t.samples * bytes)
    plane.insert(plane.end(), t.values.begin() + static_cast<ptrdiff_t>(k),
                 t.values.begin() + static_cast<ptrdiff_t>(k + bytes));
  return plane;
}

inline void write_tiff_page(TIFF* tiff, const TiffPages& t) {
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, t.width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, t.height);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, t.bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, t.samples);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, t.photometric);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, t.compression);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, t.apart ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_ORIENTATION, t.orientation);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, t.format);
  if (t.subfile) TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, t.subfile);
  if (!t.extra.empty()) TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, t.extra.size(), t.extra.data());
  if (!t.palette.empty())
    TIFFSetField(tiff, TIFFTAG_COLORMAP, t.palette[0].data(), t.palette[1].data(), t.palette[2].data());
  if (t.tiles) {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 16u);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, 16u);
  } else {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, t.rows_per_strip);
  }
  const uint16_t planes = t.apart ? t.samples : 1;
  for (uint16_t c = 0; c < planes; ++c) {
    Bytes plane = tiff_plane(t, c);
    const size_t row = plane.size() / t.height;
    if (!t.tiles)
      for (uint32_t y = 0; y < t.height; ++y) TIFFWriteScanline(tiff, plane.data() + y * row, y, c);
    for (uint32_t y = 0; t.tiles && y < t.height; y += 16)
      for (uint32_t x = 0; x < t.width; x += 16) {
        Bytes tile(static_cast<size_t>(TIFFTileSize(tiff)));
        const size_t pixel = row / t.width, wide = tile.size() / 16, used = std::min<size_t>(16, t.width - x) * pixel;
        for (uint32_t k = 0; k < std::min(16u, t.height - y); ++k)
          std::copy_n(plane.data() + (y + k) * row + x * pixel, used, tile.data() + k * wide);
        TIFFWriteTile(tiff, tile.data(), x, y, 0, c);
      }
  }
  TIFFWriteDirectory(tiff);
}

inline std::string tiff(TiffPages t) {
  const TempFolder folder;
  TIFF* file = TIFFOpen((folder / "a.tif").c_str(), t.mode);
  if (!file) throw std::runtime_error("libtiff can't write");
  for (int page = 0; page < t.pages; ++page) {
    write_tiff_page(file, t);
    for (uint8_t& value : t.values) value = static_cast<uint8_t>(~value);
  }
  TIFFClose(file);
  return read_file(folder / "a.tif");
}

struct GifFrame {
  int height = 5, width = 5;
  Bytes indices;
  Bytes palette;                            // red, green, blue of each; as many as a power of two
  int canvas_height = 0, canvas_width = 0;  // of the picture, where it is larger
  int top = 0, left = 0;
  bool interlaced = false;
  int transparent = -1;
  bool own_palette = false;  // the frame's instead of the picture's
  int frames = 1;            // those behind the first have index 0 everywhere
};

inline std::string gif(const GifFrame& g) {
  std::string bytes;
  int error = 0;
  GifFileType* out = EGifOpen(
      &bytes,
      [](GifFileType* file, const GifByteType* data, int n) {
        static_cast<std::string*>(file->UserData)->append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
        return n;
      },
      &error);
  if (!out) throw std::runtime_error("giflib can't write");
  std::vector<GifColorType> colours;
  for (size_t k = 0; k + 2 < g.palette.size(); k += 3) colours.push_back({g.palette[k], g.palette[k + 1], g.palette[k + 2]});
  ColorMapObject* palette = GifMakeMapObject(static_cast<int>(colours.size()), colours.data());
  EGifSetGifVersion(out, true);
  EGifPutScreenDesc(out, std::max(g.canvas_width, g.width), std::max(g.canvas_height, g.height), 8, 0,
                    g.own_palette ? nullptr : palette);
  for (int frame = 0; frame < g.frames; ++frame) {
    if (g.transparent >= 0) {
      const GifByteType block[] = {1, 0, 0, static_cast<GifByteType>(g.transparent)};
      EGifPutExtension(out, GRAPHICS_EXT_FUNC_CODE, 4, block);
    }
    EGifPutImageDesc(out, g.left, g.top, g.width, g.height, g.interlaced, g.own_palette ? palette : nullptr);
    const Bytes indices = frame == 0 ? g.indices : Bytes(g.indices.size());
    const std::vector<std::pair<int, int>> passes = g.interlaced
                                                        ? std::vector<std::pair<int, int>>{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
                                                        : std::vector<std::pair<int, int>>{{0, 1}};
    for (const auto& [first, step] : passes)
      for (int y = first; y < g.height; y += step) {
        Bytes row(indices.begin() + y * g.width, indices.begin() + (y + 1) * g.width);
        EGifPutLine(out, row.data(), g.width);
      }
  }
  GifFreeMapObject(palette);
  EGifCloseFile(out, &error);
  return bytes;
}

struct Bmp {
  int height = 5, width = 5;  // a height below 0: rows from the top
  int bits = 24, compression = 0;
  std::string rows;          // as they lie in the file, with their padding, or run-length coded
  std::string palette = {};  // blue, green, red, 0 of each
  std::vector<uint32_t> masks = {};
  int header = 40;  // 12: OS/2, a palette of three bytes each
};

inline std::string bmp(const Bmp& b) {
  const auto number = [](int n, int bytes) { return little(static_cast<uint64_t>(static_cast<int64_t>(n)), bytes); };
  std::string info = number(b.header, 4);
  if (b.header == 12) {
    info += number(b.width, 2) + number(b.height, 2) + number(1, 2) + number(b.bits, 2);
  } else {
    info += number(b.width, 4) + number(b.height, 4) + number(1, 2) + number(b.bits, 2) + number(b.compression, 4) +
            number(static_cast<int>(b.rows.size()), 4) + number(2835, 4) + number(2835, 4) +
            number(static_cast<int>(b.palette.size() / 4), 4) + number(0, 4);
    for (const uint32_t mask : b.masks) info += little(mask, 4);
    info.resize(std::max(info.size(), static_cast<size_t>(b.header)));
  }
  const auto begin = static_cast<int>(14 + info.size() + b.palette.size());
  return "BM" + number(begin + static_cast<int>(b.rows.size()), 4) + number(0, 4) + number(begin, 4) + info + b.palette +
         b.rows;
}

}  // namespace tacet::test
