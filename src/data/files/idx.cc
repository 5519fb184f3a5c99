// See idx.h. Layout: two zero bytes, the type (8: unsigned byte), the number of dimensions, each size as a big-endian 32-bit
// integer, then the data, last dimension fastest.
#include "data/files/idx.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <ATen/ops/empty.h>

#include "data/files/locate.h"
#include "data/files/unpacked.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// deflate can't shrink anything to less than a 1,032nd.
constexpr int64_t best_compression = 1032;

// Reads up to n bytes; fewer only at the end of the data.
int64_t read_bytes(UnpackedFile& file, uint8_t* out, int64_t n) {
  return static_cast<int64_t>(file.read(reinterpret_cast<char*>(out), static_cast<size_t>(n)));
}

std::string hex(const uint8_t* bytes, int n) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out = "0x";
  for (int k = 0; k < n; ++k) {
    out += digits[bytes[k] >> 4];
    out += digits[bytes[k] & 15];
  }
  return out;
}

}  // namespace

at::Tensor read_idx(const std::string& path, int dimensions) {
  std::error_code error;
  if (!fs::exists(path, error)) throw DataMissing(path + ": must be an IDX file, does not exist");
  if (!fs::is_regular_file(path, error)) throw UserError(path + ": must be an IDX file, is no plain file");
  const auto file_size = static_cast<int64_t>(fs::file_size(path, error));
  UnpackedFile file(path);
  const auto fail = [&](const std::string& what) { throw UserError(path + ": " + what); };

  uint8_t magic[4];
  if (read_bytes(file, magic, 4) < 4) fail("must be an IDX file, is shorter than the 4 bytes of its magic number");
  const uint8_t wanted[4] = {0, 0, 8, static_cast<uint8_t>(dimensions)};
  if (std::memcmp(magic, wanted, 4) != 0)
    fail("must be an IDX file of unsigned bytes with " + std::to_string(dimensions) + " dimension" +
         (dimensions == 1 ? "" : "s") + ", which starts with " + hex(wanted, 4) + ", got " + hex(magic, 4));

  std::vector<int64_t> sizes;
  int64_t total = 1;
  const int64_t header = 4 + 4 * dimensions;
  for (int k = 0; k < dimensions; ++k) {
    uint8_t raw[4];
    if (read_bytes(file, raw, 4) < 4) fail("is cut off inside its header of " + std::to_string(header) + " bytes");
    const int64_t size = int64_t{raw[0]} << 24 | raw[1] << 16 | raw[2] << 8 | raw[3];
    sizes.push_back(size);
    if (size == 0 || __builtin_mul_overflow(total, size, &total))
      fail("byte " + std::to_string(4 + 4 * k) + ": size " + std::to_string(k + 1) + " of " + std::to_string(dimensions) +
           " must be > 0 and fit the file, got " + std::to_string(size));
  }
  const int64_t most = file.compressed() ? file_size * best_compression : file_size - header;
  if (total > most)
    fail("is cut off: its header promises " + std::to_string(total) + " bytes of data, the file has only " +
         std::to_string(file_size) + " bytes");
  at::Tensor data = at::empty(sizes, at::kByte);
  if (const int64_t got = read_bytes(file, data.data_ptr<uint8_t>(), total); got < total)
    fail("is cut off: its header promises " + std::to_string(total) + " bytes of data, got " + std::to_string(got));
  uint8_t more;
  if (read_bytes(file, &more, 1) != 0)
    fail("has more than the " + std::to_string(total) + " bytes of data that its header promises");
  return data;
}

}  // namespace tacet
