// See npy.h. Layout: "\x93NUMPY", version, the header's length (2 bytes, from version 2 on 4), a Python dictionary with
// descr, fortran_order and shape, then the numbers. Python 2 writes sizes as 40L.
#include "data/files/npy.h"

#include <algorithm>
#include <cstring>
#include <regex>

#include "base/mapped_file.h"
#include "data/files/numbers.h"
#include "tacet/error.h"

namespace tacet {
namespace {

struct NpyHeader {
  NumberType type;
  bool fortran = false;
  std::vector<int64_t> shape;
  int64_t count = 1;  // product of shape
};

[[noreturn]] void bad_npy(const std::string& path, const std::string& what) { throw UserError(path + ": " + what); }

// Returns what stands behind a key of the header, matched by the pattern's one group.
std::string npy_entry(const std::string& path, const std::string& header, const std::string& key,
                      const std::string& pattern) {
  std::smatch m;
  if (!std::regex_search(header, m, std::regex("['\"]" + key + "['\"] *: *" + pattern)))
    bad_npy(path, "its header has no " + key + " that can be read: " + header.substr(0, header.find_last_not_of(" \n") + 1));
  return m[1];
}

NumberType npy_type(const std::string& path, const std::string& descr) {
  NumberType type{.kind = '?', .bytes = 0};
  if (std::regex_match(descr, std::regex("[<>=|][a-zA-Z][0-9]{1,2}")))
    type = {.kind = descr[1], .bytes = std::stoll(descr.substr(2)), .big_endian = descr[0] == '>'};
  if (!is_readable(type))
    bad_npy(path, "numbers must be bool (|b1), integers (|u1, <i4, <i8, …) or floating point (<f2, <f4, <f8), got " + descr);
  return type;
}

NpyHeader npy_header(const std::string& path, const std::string& header) {
  NpyHeader h;
  h.type = npy_type(path, npy_entry(path, header, "descr", "['\"]([^'\"]*)['\"]"));
  h.fortran = npy_entry(path, header, "fortran_order", "(True|False)") == "True";
  const std::string sizes = npy_entry(path, header, "shape", "\\(([0-9L, ]*)\\)");
  const std::regex number("[0-9]{1,18}");
  for (std::sregex_iterator i(sizes.begin(), sizes.end(), number), none; i != none; ++i) {
    h.shape.push_back(std::stoll(i->str()));
    if (__builtin_mul_overflow(h.count, h.shape.back(), &h.count)) bad_npy(path, "its shape is beyond any file");
  }
  return h;
}

}  // namespace

at::Tensor read_npy(const std::string& path) {
  const MappedFile file(path);
  const auto bad = [&](const std::string& what) { bad_npy(path, what); };
  const uint8_t* p = file.data();
  if (file.size() < 10 || std::memcmp(p, "\x93NUMPY", 6) != 0) bad("must be a .npy file, starts with other bytes");
  const int version = p[6];
  if (version < 1 || version > 3) bad("must have version 1, 2 or 3 of the .npy format, got " + std::to_string(version));
  const int64_t before = version == 1 ? 10 : 12;
  if (file.size() < before) bad("is cut off inside its header");
  const int64_t length = version == 1 ? p[8] | p[9] << 8 : p[8] | p[9] << 8 | p[10] << 16 | int64_t{p[11]} << 24;
  if (length > file.size() - before) bad("is cut off inside its header of " + std::to_string(length) + " bytes");
  const std::string text(reinterpret_cast<const char*>(p + before), static_cast<size_t>(std::min<int64_t>(length, 10000)));

  NpyHeader h = npy_header(path, text);
  const int64_t have = file.size() - before - length;
  if (h.count > have || h.count * h.type.bytes != have)
    bad("must hold " + std::to_string(h.count) + " numbers of " + std::to_string(h.type.bytes) + " bytes, has " +
        std::to_string(have) + " bytes of data");
  if (!h.fortran) return numbers_of(path, p + before + length, h.type, h.shape);
  std::reverse(h.shape.begin(), h.shape.end());  // Fortran's first dimension runs fastest
  std::vector<int64_t> order;
  for (auto d = static_cast<int64_t>(h.shape.size()); d > 0; --d) order.push_back(d - 1);
  return numbers_of(path, p + before + length, h.type, h.shape).permute(order).contiguous();
}

}  // namespace tacet
