// See npy.h. Layout: "\x93NUMPY", version, the header's length (2 bytes, from version 2 on 4), a Python dictionary with
// descr, fortran_order and shape, then the numbers.
#include "data/files/npy.h"

#include <cstring>
#include <regex>

#include <ATen/ops/empty.h>

#include "base/mapped_file.h"
#include "tacet/error.h"

namespace tacet {
namespace {

struct NpyType {
  const char* name;
  at::ScalarType scalar;
  int64_t bytes;
};
constexpr NpyType kNpyTypes[] = {
    {"|u1", at::kByte, 1}, {"<i4", at::kInt, 4}, {"<i8", at::kLong, 8}, {"<f4", at::kFloat, 4}, {"<f8", at::kDouble, 8}};

}  // namespace

at::Tensor read_npy(const std::string& path) {
  const MappedFile file(path);
  const auto bad = [&](const std::string& what) { throw UserError(path + ": " + what); };
  const uint8_t* p = file.data();
  if (file.size() < 10 || std::memcmp(p, "\x93NUMPY", 6) != 0) bad("must be a .npy file, starts with other bytes");
  const int version = p[6];
  if (version < 1 || version > 3) bad("must have version 1, 2 or 3 of the .npy format, got " + std::to_string(version));
  const int64_t before = version == 1 ? 10 : 12;
  if (file.size() < before) bad("is cut off inside its header");
  const int64_t length = version == 1 ? p[8] | p[9] << 8 : p[8] | p[9] << 8 | p[10] << 16 | int64_t{p[11]} << 24;
  if (length > file.size() - before) bad("is cut off inside its header of " + std::to_string(length) + " bytes");
  const std::string header(reinterpret_cast<const char*>(p + before), static_cast<size_t>(std::min<int64_t>(length, 10000)));

  std::smatch m;
  if (!std::regex_search(header, m, std::regex("'descr': *'([^']*)'"))) bad("its header has no descr");
  const NpyType* type = nullptr;
  for (const NpyType& t : kNpyTypes)
    if (m[1] == t.name) type = &t;
  if (!type) bad("numbers must be |u1, <i4, <i8, <f4 or <f8, got " + m[1].str());
  if (!std::regex_search(header, std::regex("'fortran_order': *False"))) bad("must be in C order, is in Fortran order");
  if (!std::regex_search(header, m, std::regex("'shape': *\\(([0-9, ]*)\\)"))) bad("its header has no shape");
  std::vector<int64_t> shape;
  int64_t count = 1;
  const std::string sizes = m[1].str();
  const std::regex number("[0-9]{1,18}");
  for (std::sregex_iterator i(sizes.begin(), sizes.end(), number), none; i != none; ++i) {
    shape.push_back(std::stoll(i->str()));
    if (__builtin_mul_overflow(count, shape.back(), &count)) bad("its shape is beyond any file");
  }
  const int64_t have = file.size() - before - length;
  if (count > have || count * type->bytes != have)
    bad("must hold " + std::to_string(count) + " numbers of " + std::to_string(type->bytes) + " bytes, has " +
        std::to_string(have) + " bytes of data");
  at::Tensor array = at::empty(shape, type->scalar);
  if (have > 0) std::memcpy(array.data_ptr(), p + before + length, static_cast<size_t>(have));
  return array;
}

}  // namespace tacet
