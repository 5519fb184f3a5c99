// PNG files that tests write chunk by chunk with zlib alone, so that their pixels are known whatever libpng thinks of them.
#pragma once

#include <cstdint>
#include <string>

#include <zlib.h>

namespace tacet::test {

inline std::string png_number(uint32_t n) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(n >> shift);
  return bytes;
}

inline std::string png_chunk(const std::string& kind, const std::string& data) {
  const std::string body = kind + data;
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return png_number(static_cast<uint32_t>(data.size())) + body + png_number(static_cast<uint32_t>(sum));
}

struct RawPng {
  int side = 8;
  int depth = 8;            // bits a value
  int colours = 2;          // 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA
  std::string row;          // bytes of each of the rows
  std::string before = {};  // chunks between header and pixels, such as gAMA
};

inline std::string raw_png(const RawPng& p) {
  std::string rows;
  for (int y = 0; y < p.side; ++y) rows += '\0' + p.row;
  std::string packed(compressBound(rows.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()), rows.size());
  packed.resize(size);
  const auto side = static_cast<uint32_t>(p.side);
  const std::string header =
      png_number(side) + png_number(side) + static_cast<char>(p.depth) + static_cast<char>(p.colours) + std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + p.before + png_chunk("IDAT", packed) + png_chunk("IEND", "");
}

}  // namespace tacet::test
