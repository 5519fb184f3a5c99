// Pictures of every format that is read: their pixels are those that the file holds, and what is damaged, cut off or of
// another kind is an error that names the file. JPEG's and PNG's own tests are in folder_test.cc and class_folders_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/files.h"
#include "data/files/picture.h"
#include "data/files/picture_formats.h"
#include "data/picture_fixtures.h"
#include "data/png_fixture.h"
#include "support/error_of.h"
#include "support/python_script.h"
#include "support/temp_folder.h"

namespace tacet::picture_formats_test {
namespace {

namespace fs = std::filesystem;
using test::Bytes;
using test::error_of;
using test::expect_mentions;

constexpr int kSide = 5;  // odd, so that rows need padding

// Returns what is read of a picture of that side: red, green and blue of each pixel.
Bytes read_rgb(const std::string& path, int side) {
  const auto count = static_cast<size_t>(side) * static_cast<size_t>(side);
  Bytes planes(3 * count), rgb;
  read_picture(path, {.side = side}, nullptr, planes.data());
  for (size_t k = 0; k < count; ++k) rgb.insert(rgb.end(), {planes[k], planes[count + k], planes[2 * count + k]});
  return rgb;
}

Bytes pixels(const std::string& bytes, int side = kSide) {
  const test::TempFolder folder;
  return read_rgb(folder.write("picture", bytes), side);
}

// A picture whose 25 colours differ: pixel k is (10 k, 255 − 9 k, 7 k).
Bytes ramp() {
  Bytes rgb;
  for (int k = 0; k < kSide * kSide; ++k)
    rgb.insert(rgb.end(), {static_cast<uint8_t>(10 * k), static_cast<uint8_t>(255 - 9 * k), static_cast<uint8_t>(7 * k)});
  return rgb;
}

// Returns the same with a fourth value, which runs through 0 … 255 and is 0 first.
Bytes ramp_and(const Bytes& rgb) {
  Bytes all;
  for (size_t k = 0; k < rgb.size() / 3; ++k)
    all.insert(all.end(), {rgb[3 * k], rgb[3 * k + 1], rgb[3 * k + 2], static_cast<uint8_t>(10 * k)});
  return all;
}

// Returns values of 16 bits in the machine's order that are rounded to the given bytes: 257 v − 128 … 257 v + 128.
Bytes deep(const Bytes& bytes) {
  Bytes all;
  for (size_t k = 0; k < bytes.size(); ++k) {
    const int value = std::clamp(257 * bytes[k] + (k % 2 ? 128 : -128), 0, 65535);
    const auto two = static_cast<uint16_t>(value);
    const auto* in = reinterpret_cast<const uint8_t*>(&two);
    all.insert(all.end(), in, in + 2);
  }
  return all;
}

Bytes grey(const Bytes& values) {
  Bytes rgb;
  for (const uint8_t v : values) rgb.insert(rgb.end(), 3, v);
  return rgb;
}

// Indices 0 … 24 and a palette that holds the ramp, then black.
Bytes indices() {
  Bytes all;
  for (int k = 0; k < kSide * kSide; ++k) all.push_back(static_cast<uint8_t>(k));
  return all;
}
Bytes palette() {
  Bytes all = ramp();
  all.resize(3 * 32);
  return all;
}

std::vector<std::vector<uint16_t>> tiff_palette() {
  std::vector<std::vector<uint16_t>> all(3, std::vector<uint16_t>(256));
  for (size_t k = 0; k < palette().size(); ++k) all[k % 3][k / 3] = static_cast<uint16_t>(palette()[k] << 8);
  return all;
}

// Returns the ramp as rows of a bitmap, from the bottom, blue first, padded to four bytes.
std::string bmp_rows(int bytes, bool from_top = false) {
  std::string rows;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const auto at = static_cast<size_t>(3 * (kSide * (from_top ? y : kSide - 1 - y) + x));
      for (const size_t c : {2u, 1u, 0u}) rows += static_cast<char>(ramp()[at + c]);
      if (bytes == 4) rows += static_cast<char>(x);
    }
    rows.resize((rows.size() + 3) / 4 * 4);
  }
  return rows;
}
std::string bmp_palette(int entry = 4) {
  std::string all;
  for (size_t k = 0; k < palette().size(); k += 3) {
    for (const size_t c : {2u, 1u, 0u}) all += static_cast<char>(palette()[k + c]);
    if (entry == 4) all += '\0';
  }
  return all;
}
std::string bmp_indices() {
  std::string rows;
  for (int y = kSide - 1; y >= 0; --y) {
    for (int x = 0; x < kSide; ++x) rows += static_cast<char>(kSide * y + x);
    rows += std::string(3, '\0');
  }
  return rows;
}
// Returns the same run-length coded: a run, single indices, a run of two and the row's end.
std::string bmp_runs() {
  std::string code;
  for (char y = kSide - 1; y >= 0; --y) {
    const char k = static_cast<char>(kSide * y);
    code += {1,
             k,
             0,
             3,
             static_cast<char>(k + 1),
             static_cast<char>(k + 2),
             static_cast<char>(k + 3),
             0,
             1,
             static_cast<char>(k + 4)};
    code += {0, static_cast<char>(y > 0 ? 0 : 1)};
  }
  return code;
}

std::string ppm_text() {
  std::string text = "P3 # made by hand\n5\n# two comments\n5 255\n";
  for (const uint8_t v : ramp()) text += std::to_string(v) + "\n";
  return text;
}

// Returns 16-bit values as PNM has them, high byte first.
std::string high_first(const Bytes& deep_values) {
  std::string bytes;
  for (size_t k = 0; k < deep_values.size(); k += 2) {
    uint16_t value = 0;
    std::memcpy(&value, deep_values.data() + k, 2);
    bytes += {static_cast<char>(value >> 8), static_cast<char>(value)};
  }
  return bytes;
}

struct Named {
  std::string name, bytes;
};

// The ramp in every format, with and without alpha, 8 and 16 bits, compressed or not.
std::vector<Named> ramps() {
  const Bytes rgb = ramp(), rgba = ramp_and(ramp());
  const std::vector<uint16_t> alpha = {EXTRASAMPLE_UNASSALPHA}, unknown = {EXTRASAMPLE_UNSPECIFIED};
  std::vector<Named> all = {
      {"webp", test::webp(kSide, kSide, rgb)},
      {"webp with alpha", test::webp(kSide, kSide, rgba, true)},
      {"webp with two frames",
       test::animated_webp(kSide, kSide, {test::webp(kSide, kSide, rgb), test::webp(kSide, kSide, Bytes(75))}, 0, 0, kSide,
                           kSide)},
      {"gif", test::gif({.indices = indices(), .palette = palette()})},
      {"gif in passes", test::gif({.indices = indices(), .palette = palette(), .interlaced = true})},
      {"gif with a transparent colour", test::gif({.indices = indices(), .palette = palette(), .transparent = 7})},
      {"gif with the frame's palette", test::gif({.indices = indices(), .palette = palette(), .own_palette = true})},
      {"gif with three frames", test::gif({.indices = indices(), .palette = palette(), .frames = 3})},
      {"bmp", test::bmp({.rows = bmp_rows(3)})},
      {"bmp from the top", test::bmp({.height = -5, .rows = bmp_rows(3, true)})},
      {"bmp of 32 bits", test::bmp({.bits = 32, .rows = bmp_rows(4)})},
      {"bmp with a palette", test::bmp({.bits = 8, .rows = bmp_indices(), .palette = bmp_palette()})},
      {"bmp in runs", test::bmp({.bits = 8, .compression = 1, .rows = bmp_runs(), .palette = bmp_palette()})},
      {"bmp of OS/2", test::bmp({.bits = 8, .rows = bmp_indices(), .palette = bmp_palette(3), .header = 12})},
      {"bmp with a long header", test::bmp({.rows = bmp_rows(3), .header = 124})},
      {"ppm", "P6\n5 5\n255\n" + test::text_of(rgb)},
      {"ppm of 16 bits", "P6 5 5 65535 " + high_first(deep(rgb))},
      {"ppm in text", ppm_text()},
      {"tiff", test::tiff({.values = rgb})},
      {"tiff, high byte first", test::tiff({.values = deep(rgb), .bits = 16, .mode = "wb"})},
      {"tiff, BigTIFF", test::tiff({.values = rgb, .mode = "w8"})},
      {"tiff with two pages", test::tiff({.values = rgb, .pages = 2})},
      {"tiff stored upside down", test::tiff({.values = rgb, .orientation = ORIENTATION_BOTLEFT})},
      {"tiff stored on its side", test::tiff({.values = rgb, .orientation = ORIENTATION_RIGHTTOP})},
      {"tiff with a palette",
       test::tiff({.values = indices(), .photometric = PHOTOMETRIC_PALETTE, .samples = 1, .palette = tiff_palette()})},
  };
  for (const uint16_t compression : {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS})
    for (const bool apart : {false, true})
      for (const bool tiles : {false, true})
        for (const uint16_t bits : {8, 16}) {
          const std::string name = "tiff, compression " + std::to_string(compression) + (apart ? ", apart" : "") +
                                   (tiles ? ", tiles, " : ", ") + std::to_string(bits) + " bits";
          const auto file = [&](const Bytes& values, uint16_t samples, const std::vector<uint16_t>& extra) {
            return test::tiff({.values = bits == 16 ? deep(values) : values,
                               .bits = bits,
                               .samples = samples,
                               .compression = compression,
                               .apart = apart,
                               .tiles = tiles,
                               .extra = extra});
          };
          all.push_back({name, file(rgb, 3, {})});
          all.push_back({name + ", alpha", file(rgba, 4, alpha)});
          all.push_back({name + ", a fourth value", file(rgba, 4, unknown)});
        }
  return all;
}

TEST(PictureFormats, PixelsAreWhatTheFileHolds) {
  for (const Named& row : ramps()) EXPECT_TRUE(pixels(row.bytes) == ramp()) << row.name;
}

TEST(PictureFormats, FirstBytesTellTheKind) {
  for (const Named& row : ramps()) {
    const std::string kind = picture_kind(reinterpret_cast<const uint8_t*>(row.bytes.data()), kPictureMark);
    EXPECT_EQ(kind, row.name.substr(0, 3) == "ppm" ? "pnm" : row.name.substr(0, row.name.find_first_of(" ,"))) << row.name;
    EXPECT_TRUE(reads_picture_kind(kind));
  }
  for (const char* text : {"BMW builds cars and bikes", "P1 is faster than P2", "P6", "P7\nWIDTH 5\nHEIGHT 5\n", "P5\n",
                           "II*", "GIF", "RIFF0000WAVEfmt 0000", "Pictures of cats", ""})
    EXPECT_EQ(picture_kind(reinterpret_cast<const uint8_t*>(text), static_cast<int64_t>(std::string(text).size())), "")
        << text;
  for (const char* kind : {"avif", "heic", "psd", "jp2", "txt", ""}) EXPECT_FALSE(reads_picture_kind(kind));
}

// Each expected value is derived beside its row. The picture is one row of 5 pixels, five times.
TEST(PictureFormats, ValuesOfOtherRangesAreRounded) {
  const auto five = [](const std::string& row) { return row + row + row + row + row; };
  const auto rows = [](const Bytes& row) {
    Bytes all;
    for (int y = 0; y < kSide; ++y) all.insert(all.end(), row.begin(), row.end());
    return all;
  };
  const auto tiff_row = [&](test::TiffPages page, const Bytes& row) {
    page.values = rows(row);
    return test::tiff(page);
  };
  Bytes grey16;
  for (const uint16_t v : {uint16_t{0}, uint16_t{128}, uint16_t{129}, uint16_t{32896}, uint16_t{65535}}) {
    const auto* in = reinterpret_cast<const uint8_t*>(&v);
    grey16.insert(grey16.end(), in, in + 2);
  }
  const struct {
    const char* what;
    std::string bytes;
    Bytes row;
  } table[] = {
      // round(v / 257): 128 is below half of 257, 129 above; 32896 = 128 · 257.
      {"tiff, grey of 16 bits", tiff_row({.photometric = PHOTOMETRIC_MINISBLACK, .bits = 16, .samples = 1}, grey16),
       grey({0, 0, 1, 128, 255})},
      {"tiff, white is 0, 16 bits", tiff_row({.photometric = PHOTOMETRIC_MINISWHITE, .bits = 16, .samples = 1}, grey16),
       grey({255, 255, 254, 127, 0})},
      {"tiff, white is 0", tiff_row({.photometric = PHOTOMETRIC_MINISWHITE, .samples = 1}, {0, 1, 100, 254, 255}),
       grey({255, 254, 155, 1, 0})},
      // 10110 and three bits of padding.
      {"tiff of 1 bit", tiff_row({.photometric = PHOTOMETRIC_MINISBLACK, .bits = 1, .samples = 1}, {0xb0}),
       grey({255, 0, 255, 255, 0})},
      {"tiff of 1 bit, fax",
       tiff_row({.photometric = PHOTOMETRIC_MINISWHITE, .bits = 1, .samples = 1, .compression = COMPRESSION_CCITTFAX4},
                {0xb0}),
       grey({0, 255, 0, 0, 255})},
      // 17 v.
      {"tiff of 4 bits", tiff_row({.photometric = PHOTOMETRIC_MINISBLACK, .bits = 4, .samples = 1}, {0x01, 0x5a, 0xf0}),
       grey({0, 17, 85, 170, 255})},
      {"tiff, grey with alpha",
       tiff_row({.photometric = PHOTOMETRIC_MINISBLACK, .samples = 2, .extra = {EXTRASAMPLE_UNASSALPHA}},
                {10, 0, 20, 1, 30, 100, 40, 254, 50, 255}),
       grey({10, 20, 30, 40, 50})},
      // Colours that are stored multiplied by alpha: 50 · 255 / 100 = 127.5, 100 → 255, 25 → 63.75, without the fraction.
      // An alpha of 0 leaves nothing to divide by, and a colour above its alpha is white.
      {"tiff with colours multiplied by alpha",
       tiff_row({.samples = 4, .extra = {EXTRASAMPLE_ASSOCALPHA}},
                {50, 100, 25, 100, 0, 0, 0, 0, 7, 8, 9, 255, 1, 2, 3, 2, 9, 9, 9, 9}),
       {127, 255, 63, 0, 0, 0, 7, 8, 9, 127, 255, 255, 255, 255, 255}},
      // (255 − ink)(255 − black)/255: 155 · 255/255, 55 · 205/255 = 44.2, 255 · 205/255.
      {"tiff, inks",
       tiff_row({.photometric = PHOTOMETRIC_SEPARATED, .samples = 4},
                {0, 0, 0, 0, 100, 0, 0, 0, 200, 0, 255, 50, 0, 0, 0, 255, 255, 255, 255, 0}),
       {255, 255, 255, 155, 255, 255, 44, 205, 0, 0, 0, 0, 0, 0, 0}},
      // 5 bits are v · 255/31: 1 → 8.2, 16 → 131.6, 30 → 246.8.
      {"bmp of 16 bits",
       test::bmp({.bits = 16,
                  .rows = five(test::little(0x7fff, 2) + test::little(0, 2) + test::little(1 << 10, 2) +
                               test::little(16 << 5, 2) + test::little(30, 2) + std::string(2, '\0'))}),
       {255, 255, 255, 0, 0, 0, 8, 0, 0, 0, 132, 0, 0, 0, 247}},
      // 6 bits of green are v · 255/63: 1 → 4.0, 32 → 129.5 (rounded up: 129.52), 62 → 251.0.
      {"bmp of 5, 6 and 5 bits",
       test::bmp({.bits = 16,
                  .compression = 3,
                  .rows = five(test::little(0xffff, 2) + test::little(0, 2) + test::little(1 << 5, 2) +
                               test::little(32 << 5, 2) + test::little(62 << 5, 2) + std::string(2, '\0')),
                  .masks = {0xf800, 0x7e0, 0x1f}}),
       {255, 255, 255, 0, 0, 0, 0, 4, 0, 0, 130, 0, 0, 251, 0}},
      // 10 bits are v · 255/1023: 512 → 127.6.
      {"bmp of 10 bits",
       test::bmp({.bits = 32,
                  .compression = 3,
                  .rows = five(test::little(0x3fffffff, 4) + test::little(0, 4) + test::little(512u << 20, 4) +
                               test::little(512 << 10, 4) + test::little(512, 4)),
                  .masks = {0x3ff00000, 0xffc00, 0x3ff}}),
       {255, 255, 255, 0, 0, 0, 128, 0, 0, 0, 128, 0, 0, 0, 128}},
      // 10110 of a palette of blue-green-red (1, 2, 3) and (4, 5, 6).
      {"bmp of 1 bit",
       test::bmp({.bits = 1, .rows = five(std::string("\xb0\0\0\0", 4)), .palette = std::string("\1\2\3\0\4\5\6\0", 8)}),
       {6, 5, 4, 3, 2, 1, 6, 5, 4, 6, 5, 4, 3, 2, 1}},
      {"bmp of 4 bits",
       test::bmp({.bits = 4, .rows = five(std::string("\x01\x10\x10\0", 4)), .palette = std::string("\1\2\3\0\4\5\6\0", 8)}),
       {3, 2, 1, 6, 5, 4, 6, 5, 4, 3, 2, 1, 6, 5, 4}},
      // Runs of 4 bits: two of 0 and 1 in turn, then three single ones, 1 1 0, in two bytes.
      {"bmp in runs of 4 bits",
       test::bmp({.bits = 4,
                  .compression = 2,
                  .rows =
                      [] {
                        std::string code;
                        for (int y = 0; y < 5; ++y) code += std::string("\x02\x01\0\3\x11\0\0\0", 8);
                        return code + std::string("\0\1", 2);
                      }(),
                  .palette = std::string("\1\2\3\0\4\5\6\0", 8)}),
       {3, 2, 1, 6, 5, 4, 6, 5, 4, 6, 5, 4, 3, 2, 1}},
      // v · 255/6, rounded: 42.5 → 43, 85, 127.5 → 128.
      {"pgm up to 6", "P5 5 5 6\n" + five(std::string("\0\1\2\3\6", 5)), grey({0, 43, 85, 128, 255})},
      {"pgm up to 6 in text", "P2 5 5 6\n" + five("0 1 2 3 6\n"), grey({0, 43, 85, 128, 255})},
      {"pgm of 16 bits", "P5 5 5 65535\n" + five(std::string("\0\0\0\x80\0\x81\x80\x80\xff\xff", 10)),
       grey({0, 0, 1, 128, 255})},
      // A set bit is black.
      {"pbm", "P4 5 5\n" + five("\xb0"), grey({0, 255, 0, 0, 255})},
      {"pbm in text", "P1 5 5\n" + five("1011 0\n"), grey({0, 255, 0, 0, 255})},
  };
  for (const auto& row : table) EXPECT_EQ(pixels(row.bytes), rows(row.row)) << row.what;
}

// The part of a picture that a first frame leaves open has the transparent colour or the first; WebP has none and gives
// black.
TEST(PictureFormats, AFirstFrameMayBeSmallerThanThePicture) {
  const Bytes rgb = ramp();
  const auto framed = [&](const Bytes& open, int side = 8) {
    Bytes all;
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x) {
        const bool inside = x >= 2 && x < 7 && y >= 2 && y < 7;
        const auto at = rgb.begin() + (inside ? 3 * (kSide * (y - 2) + x - 2) : 0);
        inside ? all.insert(all.end(), at, at + 3) : all.insert(all.end(), open.begin(), open.end());
      }
    return all;
  };
  test::GifFrame frame{
      .indices = indices(), .palette = palette(), .canvas_height = 8, .canvas_width = 8, .top = 2, .left = 2};
  EXPECT_EQ(pixels(test::gif(frame), 8), framed({0, 255, 0}));
  frame.transparent = 3;
  EXPECT_EQ(pixels(test::gif(frame), 8), framed({30, 228, 21}));
  EXPECT_EQ(pixels(test::animated_webp(8, 8, {test::webp(kSide, kSide, ramp())}, 2, 2, kSide, kSide), 8), framed({0, 0, 0}));
  // A picture that its header calls as small as the frame, which lies at (2, 2), ends where the frame does.
  frame.canvas_height = frame.canvas_width = 0;
  EXPECT_EQ(pixels(test::gif(frame), 7), framed({30, 228, 21}, 7));
}

// Decodes bytes in memory by the decoder of a row of ramps().
Bytes decode(const Named& row, const std::string& bytes, const std::string& path) {
  const std::pair<const char*, Pixels (*)(const PictureBytes&)> decoders[] = {
      {"webp", decode_webp}, {"gif", decode_gif}, {"bmp", decode_bmp}, {"ppm", decode_pnm}, {"tiff", decode_tiff}};
  for (const auto& [name, decoder] : decoders)
    if (row.name.rfind(name, 0) == 0)
      return decoder({path, name, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}).rgb;
  throw std::runtime_error(row.name);
}

// A file that is cut off is an error or, where its last pixel is still there, no loss.
TEST(PictureFormats, FilesThatAreCutOffAreErrors) {
  for (const Named& row : ramps()) {
    size_t whole = 0;
    for (size_t n = kPictureMark; n < row.bytes.size(); ++n) {
      if (row.name == "ppm in text" && n + 4 >= row.bytes.size()) break;  // 168 without its end is a number as well
      Bytes rgb;
      const std::string message = error_of([&] { rgb = decode(row, row.bytes.substr(0, n), "cut.file"); });
      if (message.empty()) {
        EXPECT_TRUE(rgb == ramp()) << row.name << ", " << n << " bytes";
        ++whole;
      } else {
        EXPECT_EQ(message.rfind("cut.file: can't be decoded as ", 0), 0u) << message;
      }
    }
    // GIF's last byte, further frames and pages, and tags that a TIFF may do without.
    const bool more = row.name.find("frames") != std::string::npos || row.name.find("pages") != std::string::npos;
    EXPECT_LE(whole, more ? row.bytes.size() / 2 + 40 : 12) << row.name;
  }
}

// A file with one byte changed is an error that names it, or a picture of any pixels. Nothing else happens.
TEST(PictureFormats, DamagedFilesAreErrorsOrPictures) {
  for (const Named& row : ramps()) {
    if (row.name.find("compression") != std::string::npos) continue;  // much alike
    for (size_t n = 2; n < std::min<size_t>(row.bytes.size(), 300); ++n)
      for (const char mask : {'\1', '\x80', '\xff'}) {
        std::string bytes = row.bytes;
        bytes[n] = static_cast<char>(bytes[n] ^ mask);
        const std::string message = error_of([&] { decode(row, bytes, "damaged.file"); });
        EXPECT_TRUE(message.empty() || message.rfind("damaged.file: can't be decoded as ", 0) == 0) << message;
      }
  }
}

TEST(PictureFormats, SaysWhatIsWrong) {
  const auto huge = [](std::string bytes, size_t at, const std::string& size) {
    return bytes.replace(at, size.size(), size);
  };
  // A lossless WebP of one colour needs no bits for its pixels, so 16383 × 16383 of them are 34 bytes.
  const Bytes flat = {0x2f, 0xfe, 0xbf, 0xff, 0x0f, 0x68, 0x40, 0x05, 0x3a, 0xd0, 0xff, 0x02, 0x00};
  const struct {
    const char* what;
    std::string bytes;
    std::vector<std::string> mentions;
  } table[] = {
      {"a webp of one colour",
       test::riff_chunk("RIFF", "WEBP" + test::riff_chunk("VP8L", test::text_of(flat))),
       {"WebP", "16383 × 16383 pixels", "too many for 34 bytes"}},
      {"a gif of another size",
       huge(test::gif({.indices = indices(), .palette = palette()}), 6, "\xff\xff\xff\xff"),
       {"GIF", "65535 × 65535"}},
      {"a bmp of another size",
       huge(test::bmp({.rows = bmp_rows(3)}), 18, std::string("\x0f\x27\0\0\x0f\x27", 6)),
       {"BMP", "cut off"}},
      {"a bmp in runs of another size",
       huge(test::bmp({.bits = 8, .compression = 1, .rows = bmp_runs(), .palette = bmp_palette()}), 18,
            std::string("\x9f\x86\1\0\x9f\x86\1\0", 8)),
       {"BMP", "99999 × 99999"}},
      {"a bmp without size", huge(test::bmp({.rows = bmp_rows(3)}), 18, std::string(4, '\0')), {"BMP", "no size"}},
      {"a bmp that holds a JPEG", test::bmp({.bits = 24, .compression = 4, .rows = "x"}), {"BMP", "compression 4"}},
      {"a bmp beyond its palette",
       test::bmp({.bits = 8, .rows = bmp_indices(), .palette = bmp_palette().substr(0, 40)}),
       {"BMP", "colour 20 of a palette of 10"}},
      // Byte 10 holds the palette's size; 2 colours are left of 32.
      {"a gif beyond its palette",
       [] {
         std::string bytes = test::gif({.indices = indices(), .palette = palette()});
         bytes[10] = static_cast<char>(bytes[10] & ~7);
         return bytes.erase(13 + 6, 3 * 30);
       }(),
       {"GIF", "of a palette of 2"}},
      {"a gif without frames", std::string("GIF89a\5\0\5\0\0\0\0;", 14), {"GIF", "no frame"}},
      {"a ppm of another size", "P6 100000 100000 255\n", {"PNM", "100000 × 100000"}},
      {"a ppm of a size near it", "P6 9999 9999 255\n", {"PNM", "cut off"}},
      {"a pgm in text", "P2 9999 9999 255\n0", {"PNM", "cut off"}},
      {"a pgm beyond its greatest value", "P5 5 5 99\n" + std::string(25, 'd'), {"PNM", "a value is 100", "99"}},
      {"a pgm of more than 16 bits", "P5 5 5 65536\n" + std::string(100, 'd'), {"PNM", "1 … 65535", "65536"}},
      {"a pgm with letters", "P2 5 5 99\n1 2 x " + std::string(100, '1'), {"PNM", "a number must stand at byte 14"}},
      {"a tiff of floats",
       test::tiff({.values = Bytes(50),
                   .photometric = PHOTOMETRIC_MINISBLACK,
                   .bits = 16,
                   .samples = 1,
                   .format = SAMPLEFORMAT_IEEEFP}),
       {"TIFF", "not unsigned integers"}},
      {"a tiff of 32 bits",
       test::tiff({.values = Bytes(100), .photometric = PHOTOMETRIC_MINISBLACK, .bits = 32, .samples = 1}),
       {"TIFF", "32-bit"}},
      {"a camera's raw file", test::tiff({.values = ramp(), .subfile = FILETYPE_REDUCEDIMAGE}), {"TIFF", "small copy"}},
      {"a tiff of another size",
       [] {
         std::string bytes = test::tiff({.values = ramp(), .compression = COMPRESSION_LZW, .rows_per_strip = 100000});
         for (const uint64_t tag : {TIFFTAG_IMAGEWIDTH, TIFFTAG_IMAGELENGTH}) {
           const std::string entry =
               test::little(tag, 2) + test::little(TIFF_SHORT, 2) + test::little(1, 4) + test::little(5, 4);
           bytes.replace(bytes.find(entry), 12,
                         test::little(tag, 2) + test::little(TIFF_LONG, 2) + test::little(1, 4) + test::little(100000, 4));
         }
         return bytes;
       }(),
       {"TIFF", "100000 × 100000 pixels"}},
  };
  const test::TempFolder folder;
  for (const auto& row : table) {
    const std::string path = folder.write("picture", row.bytes);
    const std::string message = error_of([&] { read_rgb(path, kSide); });
    SCOPED_TRACE(row.what);
    expect_mentions(message, row.mentions);
    expect_mentions(message, {path + ": can't be decoded as "});
  }
}

// write_pictures.py writes pictures with PIL, and what they must be read as.
TEST(PictureFormats, AreWhatPilReads) {
  const test::TempFolder folder;
  const int code = test::run_python(PROJECT_FOLDER "/tests/data/write_pictures.py", folder.path());
  if (code == test::kModuleMissing) GTEST_SKIP() << "PIL is not installed for /usr/bin/python3";
  ASSERT_EQ(code, 0);
  int read = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    if (entry.path().extension() == ".rgb") continue;
    const std::string rgb = read_file(entry.path().string() + ".rgb");
    EXPECT_EQ(read_rgb(entry.path().string(), 8), Bytes(rgb.begin(), rgb.end())) << entry.path().filename();
    ++read;
  }
  EXPECT_GE(read, 60);
}

}  // namespace
}  // namespace tacet::picture_formats_test
