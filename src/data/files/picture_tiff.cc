// Reads the first page of a TIFF file with libtiff. Its RGBA interface walks through strips, tiles, compressions and colour
// spaces. It would take the high byte of grey values of 16 bits and multiply colours by alpha, so the values of grey, RGB,
// CMYK and palette pages are put here. See picture_formats.h.
#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "data/files/picture_formats.h"

namespace tacet {
namespace {

// libtiff's view of a file in memory.
struct TiffSource {
  const PictureBytes& file;
  uint64_t at = 0;
  std::string error = {};  // the first one
};

tmsize_t read_tiff(thandle_t handle, void* out, tmsize_t n) {
  auto& from = *static_cast<TiffSource*>(handle);
  if (n <= 0 || from.at >= from.file.size) return 0;
  const size_t taken = std::min(static_cast<size_t>(n), from.file.size - static_cast<size_t>(from.at));
  std::memcpy(out, from.file.data + from.at, taken);
  from.at += taken;
  return static_cast<tmsize_t>(taken);
}

toff_t seek_tiff(thandle_t handle, toff_t offset, int whence) {
  auto& from = *static_cast<TiffSource*>(handle);
  from.at = offset + (whence == SEEK_CUR ? from.at : whence == SEEK_END ? from.file.size : 0);
  return from.at;
}

toff_t size_of_tiff(thandle_t handle) { return static_cast<TiffSource*>(handle)->file.size; }

// Gives libtiff the bytes, which it only reads.
int map_tiff(thandle_t handle, void** bytes, toff_t* size) {
  *bytes = const_cast<uint8_t*>(static_cast<TiffSource*>(handle)->file.data);
  *size = size_of_tiff(handle);
  return 1;
}

int keep_error(TIFF*, void* source, const char*, const char* format, va_list values) {
  std::array<char, 512> text{};
  std::vsnprintf(text.data(), text.size(), format, values);
  std::string& error = static_cast<TiffSource*>(source)->error;
  if (error.empty()) error = text.data();
  return 1;
}

// Many files have odd tags, which is only a warning. A missing end is more than that.
int judge_warning(TIFF* tiff, void* source, const char* module, const char* format, va_list values) {
  const std::string text = format;
  if (text.find("Premature") != std::string::npos || text.find("IO error") != std::string::npos)
    keep_error(tiff, source, module, format, values);
  return 1;
}

using TiffHandle = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

TiffHandle open_tiff(TiffSource& source) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(TIFFOpenOptionsAlloc(),
                                                                                 TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), judge_warning, &source);
  // Four bytes for each of the pixels that check_size allows.
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(),
                                      std::max<tmsize_t>(400'000'000, static_cast<tmsize_t>(source.file.size) * 4000));
  // The file is handed over as memory: without, libtiff 4.5 refuses small tiles that are not compressed.
  TiffHandle tiff(TIFFClientOpenExt(
                      "", "r", &source, read_tiff, [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; }, seek_tiff,
                      [](thandle_t) { return 0; }, size_of_tiff, map_tiff, [](thandle_t, void*, toff_t) {}, options.get()),
                  TIFFClose);
  if (!tiff) source.file.fail(source.error);
  return tiff;
}

// libtiff's reader of a page, with what is asked of it here.
struct TiffPage : TIFFRGBAImage {
  TiffPage() : TIFFRGBAImage{} {}
  ~TiffPage() { TIFFRGBAImageEnd(this); }
  TiffPage(const TiffPage&) = delete;
  TiffPage& operator=(const TiffPage&) = delete;

  bool times_alpha = false;                  // colours are stored multiplied by alpha
  std::array<const uint16_t*, 3> palette{};  // red, green, blue
  int palette_shift = 0;                     // of its entries to bytes
};

// Returns value k of packed ones, in the machine's order of bytes.
uint32_t packed_value(const uint8_t* in, size_t k, size_t bits) {
  if (bits == 16) {
    uint16_t value = 0;
    std::memcpy(&value, in + 2 * k, 2);
    return value;
  }
  const size_t bit = k * bits;
  return static_cast<uint32_t>(in[bit / 8] >> (8 - bits - bit % 8)) & ((1u << bits) - 1);
}

uint32_t packed_rgb(uint32_t red, uint32_t green, uint32_t blue) { return red | green << 8 | blue << 16 | 255u << 24; }

// Returns a pixel, as libtiff packs it, of its values: grey or an index, RGB, or CMYK; then alpha.
uint32_t tiff_pixel(const TiffPage& page, const std::array<uint32_t, 5>& values) {
  const uint32_t most = (1u << page.bitspersample) - 1;
  if (page.photometric == PHOTOMETRIC_PALETTE) {
    const auto part = [&](size_t c) { return static_cast<uint32_t>(page.palette[c][values[0]] >> page.palette_shift); };
    return packed_rgb(part(0), part(1), part(2));
  }
  if (page.photometric == PHOTOMETRIC_SEPARATED) {
    const auto light = [&](size_t c) {
      return as_byte(uint64_t{most - values[c]} * (most - values[3]), uint64_t{most} * most);
    };
    return packed_rgb(light(0), light(1), light(2));
  }
  const bool colours = page.photometric == PHOTOMETRIC_RGB;
  const uint32_t alpha = page.times_alpha ? values[colours ? 3 : 1] : most;
  const auto part = [&](size_t c) -> uint32_t {
    const uint64_t value =
        alpha == 0 || alpha == most ? values[c] : std::min<uint64_t>(most, uint64_t{values[c]} * most / alpha);
    return as_byte(page.photometric == PHOTOMETRIC_MINISWHITE ? most - value : value, most);
  };
  return colours ? packed_rgb(part(0), part(1), part(2)) : packed_rgb(part(0), part(0), part(0));
}

// Puts a part of the page whose pixels stand value by value. The skews are the pixels between rows.
void put_together(TIFFRGBAImage* image, uint32_t* out, uint32_t, uint32_t, uint32_t width, uint32_t height, int32_t in_skew,
                  int32_t out_skew, unsigned char* in) {
  const auto& page = *static_cast<TiffPage*>(image);
  const size_t samples = page.samplesperpixel,
               row = ((width + static_cast<size_t>(in_skew)) * samples * page.bitspersample + 7) / 8;
  for (uint32_t y = 0; y < height; ++y, in += row, out += out_skew)
    for (uint32_t x = 0; x < width; ++x) {
      std::array<uint32_t, 5> values{};
      for (size_t c = 0; c < std::min(samples, values.size()); ++c)
        values[c] = packed_value(in, x * samples + c, page.bitspersample);
      *out++ = tiff_pixel(page, values);
    }
}

// Puts a part of a page that keeps each kind of value apart. libtiff hands over alpha, or black ink, as the fourth.
void put_apart(TIFFRGBAImage* image, uint32_t* out, uint32_t, uint32_t, uint32_t width, uint32_t height, int32_t in_skew,
               int32_t out_skew, unsigned char* first, unsigned char* second, unsigned char* third, unsigned char* fourth) {
  const auto& page = *static_cast<TiffPage*>(image);
  const size_t row = width + static_cast<size_t>(in_skew);
  const bool grey = page.photometric == PHOTOMETRIC_MINISBLACK || page.photometric == PHOTOMETRIC_MINISWHITE;
  for (size_t y = 0; y < height; ++y, out += out_skew)
    for (size_t x = 0; x < width; ++x) {
      const auto value = [&](const uint8_t* in) { return in ? packed_value(in, y * row + x, page.bitspersample) : 0; };
      *out++ = tiff_pixel(page, {value(first), value(grey ? fourth : second), value(third), value(fourth), 0});
    }
}

// Takes the colours of a palette, which are 16 bits a value. Old programs wrote 8.
void take_palette(TIFF* tiff, TiffPage& page) {
  uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
  if (!TIFFGetField(tiff, TIFFTAG_COLORMAP, &red, &green, &blue)) return;
  page.palette = {red, green, blue};
  const size_t entries = size_t{1} << page.bitspersample;
  for (const uint16_t* entry : page.palette)
    if (std::any_of(entry, entry + entries, [](uint16_t value) { return value > 255; })) page.palette_shift = 8;
}

// Has libtiff hand pixels of the usual kinds to the functions above.
void choose_put(TIFF* tiff, TiffPage& page) {
  const bool ours = page.photometric == PHOTOMETRIC_MINISBLACK || page.photometric == PHOTOMETRIC_MINISWHITE ||
                    page.photometric == PHOTOMETRIC_RGB || page.photometric == PHOTOMETRIC_SEPARATED ||
                    (page.photometric == PHOTOMETRIC_PALETTE && page.isContig);
  if (!ours) return;
  if (page.photometric == PHOTOMETRIC_PALETTE) take_palette(tiff, page);
  uint16_t extra = 0, *kinds = nullptr;
  if (TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra, &kinds) && extra > 0)
    page.times_alpha = kinds[0] == EXTRASAMPLE_ASSOCALPHA;
  if (page.isContig)
    page.put.contig = put_together;
  else
    page.put.separate = put_apart;
}

// Throws for pages whose values have another meaning than brightness.
void check_page(TIFF* tiff, const PictureBytes& file) {
  uint32_t subfile = 0;
  if (TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &subfile) && (subfile & FILETYPE_REDUCEDIMAGE))
    file.fail("its first page is a small copy of another one, as in cameras' raw files");
  uint16_t values = SAMPLEFORMAT_UINT;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &values);
  if (values != SAMPLEFORMAT_UINT && values != SAMPLEFORMAT_VOID) file.fail("its values are not unsigned integers");
}

}  // namespace

Pixels decode_tiff(const PictureBytes& file) {
  TiffSource source{file};
  const TiffHandle tiff = open_tiff(source);
  const auto check = [&](int result, const char* text) {
    if (!result || !source.error.empty()) file.fail(!source.error.empty() ? source.error : text);
  };
  check_page(tiff.get(), file);
  std::array<char, 1024> text{};
  TiffPage page;
  check(TIFFRGBAImageBegin(&page, tiff.get(), 1, text.data()), text.data());
  file.check_size({page.height, page.width});
  page.req_orientation = page.orientation;  // rows and columns stay as they are stored
  choose_put(tiff.get(), page);
  std::vector<uint32_t> raster(size_t{page.height} * page.width);
  check(TIFFRGBAImageGet(&page, raster.data(), page.width, page.height), "it is damaged");
  Pixels p = file.blank({page.height, page.width});
  uint8_t* out = p.rgb.data();
  for (const uint32_t pixel : raster)
    for (const uint32_t part : {TIFFGetR(pixel), TIFFGetG(pixel), TIFFGetB(pixel)}) *out++ = static_cast<uint8_t>(part);
  return p;
}

}  // namespace tacet
