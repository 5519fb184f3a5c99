// See idx.h. Layout: two zero bytes, the type (8: unsigned byte), the number of dimensions, each size as a big-endian 32-bit
// integer, then the data, last dimension fastest. zlib reads plain and gzip files alike.
#include "data/files/idx.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include <ATen/ops/empty.h>

#include "data/files/locate.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// deflate can't shrink anything to less than a 1,032nd.
constexpr int64_t best_compression = 1032;

class GzFile {
 public:
  explicit GzFile(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rbe"), gzclose) {
    if (!file_) fail(std::string("can't be opened: ") + std::strerror(errno));
    gzbuffer(file_.get(), 1 << 18);
  }
  [[noreturn]] void fail(const std::string& what) const { throw UserError(path_ + ": " + what); }

  // Up to n bytes; fewer only at the end of the data.
  int64_t read(uint8_t* out, int64_t n) {
    int64_t done = 0;
    while (done < n) {
      const auto piece = static_cast<unsigned>(std::min<int64_t>(n - done, 1 << 24));
      const int got = gzread(file_.get(), out + done, piece);
      int code = Z_OK;
      const char* reason = gzerror(file_.get(), &code);
      if (got < 0 || code == Z_BUF_ERROR)
        fail("byte " + std::to_string(offset_ + done) + " of its content can't be read: " +
             (code == Z_ERRNO       ? std::strerror(errno)
              : code == Z_BUF_ERROR ? "the file is cut off"
                                    : reason));
      if (got == 0) break;
      done += got;
    }
    offset_ += done;
    return done;
  }
  bool compressed() { return !gzdirect(file_.get()); }

 private:
  std::string path_;
  std::unique_ptr<std::remove_pointer_t<gzFile>, int (*)(gzFile)> file_;
  int64_t offset_ = 0;
};

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
  GzFile file(path);

  uint8_t magic[4];
  if (file.read(magic, 4) < 4) file.fail("must be an IDX file, is shorter than the 4 bytes of its magic number");
  const uint8_t wanted[4] = {0, 0, 8, static_cast<uint8_t>(dimensions)};
  if (std::memcmp(magic, wanted, 4) != 0)
    file.fail("must be an IDX file of unsigned bytes with " + std::to_string(dimensions) + " dimension" +
              (dimensions == 1 ? "" : "s") + ", which starts with " + hex(wanted, 4) + ", got " + hex(magic, 4));

  std::vector<int64_t> sizes;
  int64_t total = 1;
  const int64_t header = 4 + 4 * dimensions;
  for (int k = 0; k < dimensions; ++k) {
    uint8_t raw[4];
    if (file.read(raw, 4) < 4) file.fail("is cut off inside its header of " + std::to_string(header) + " bytes");
    const int64_t size = int64_t{raw[0]} << 24 | raw[1] << 16 | raw[2] << 8 | raw[3];
    sizes.push_back(size);
    if (size == 0 || __builtin_mul_overflow(total, size, &total))
      file.fail("byte " + std::to_string(4 + 4 * k) + ": size " + std::to_string(k + 1) + " of " +
                std::to_string(dimensions) + " must be > 0 and fit the file, got " + std::to_string(size));
  }
  const int64_t most = file.compressed() ? file_size * best_compression : file_size - header;
  if (total > most)
    file.fail("is cut off: its header promises " + std::to_string(total) + " bytes of data, the file has only " +
              std::to_string(file_size) + " bytes");
  at::Tensor data = at::empty(sizes, at::kByte);
  if (const int64_t got = file.read(data.data_ptr<uint8_t>(), total); got < total)
    file.fail("is cut off: its header promises " + std::to_string(total) + " bytes of data, got " + std::to_string(got));
  uint8_t more;
  if (file.read(&more, 1) != 0)
    file.fail("has more than the " + std::to_string(total) + " bytes of data that its header promises");
  return data;
}

}  // namespace tacet
