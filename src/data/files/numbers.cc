// See numbers.h.
#include "data/files/numbers.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include <ATen/ops/empty.h>

#include "tacet/error.h"

namespace tacet {
namespace {

std::optional<at::ScalarType> tensor_type(const NumberType& t) {
  switch (t.kind) {
    case 'b':
      if (t.bytes == 1) return at::kBool;
      break;
    case 'i':
      if (t.bytes == 1) return at::kChar;
      if (t.bytes == 2) return at::kShort;
      if (t.bytes == 4) return at::kInt;
      if (t.bytes == 8) return at::kLong;
      break;
    case 'u':
      if (t.bytes == 1) return at::kByte;
      if (t.bytes == 2) return at::kInt;
      if (t.bytes == 4 || t.bytes == 8) return at::kLong;
      break;
    case 'f':
      if (t.bytes == 2) return at::kHalf;
      if (t.bytes == 4) return at::kFloat;
      if (t.bytes == 8) return at::kDouble;
      break;
    default:
      break;
  }
  return {};
}

template <class From, class To>
void widen(const std::string& path, const uint8_t* data, int64_t count, To* out) {
  for (int64_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, data + i * static_cast<int64_t>(sizeof value), sizeof value);
    if (value > static_cast<uint64_t>(std::numeric_limits<To>::max()))
      throw UserError(path + ": numbers must be below 2^63, number " + std::to_string(i) + " is " + std::to_string(value));
    out[i] = static_cast<To>(value);
  }
}

std::vector<uint8_t> with_bytes_reversed(const uint8_t* data, int64_t count, int64_t bytes) {
  std::vector<uint8_t> out(data, data + count * bytes);
  for (auto i = out.begin(); i != out.end(); i += bytes) std::reverse(i, i + bytes);
  return out;
}

}  // namespace

bool is_readable(const NumberType& type) { return tensor_type(type).has_value(); }

at::Tensor numbers_of(const std::string& path, const uint8_t* data, const NumberType& type,
                      const std::vector<int64_t>& shape) {
  at::Tensor out = at::empty(shape, tensor_type(type).value());
  const int64_t count = out.numel();
  if (count == 0) return out;
  std::vector<uint8_t> reversed;
  if (type.big_endian && type.bytes > 1) {
    reversed = with_bytes_reversed(data, count, type.bytes);
    data = reversed.data();
  }
  if (type.kind == 'b')  // any byte but 0 is true, as a bool with other bits would not be one
    std::transform(data, data + count, out.data_ptr<bool>(), [](uint8_t byte) { return byte != 0; });
  else if (type.kind == 'u' && type.bytes == 2)
    widen<uint16_t>(path, data, count, out.data_ptr<int32_t>());
  else if (type.kind == 'u' && type.bytes == 4)
    widen<uint32_t>(path, data, count, out.data_ptr<int64_t>());
  else if (type.kind == 'u' && type.bytes == 8)
    widen<uint64_t>(path, data, count, out.data_ptr<int64_t>());
  else
    std::memcpy(out.data_ptr(), data, static_cast<size_t>(count * type.bytes));
  return out;
}

std::string described(const at::Tensor& tensor) {
  static constexpr std::pair<at::ScalarType, const char*> names[] = {
      {at::kBool, "bool"},      {at::kByte, "uint8"},       {at::kChar, "int8"},    {at::kShort, "int16"},
      {at::kInt, "int32"},      {at::kLong, "int64"},       {at::kHalf, "float16"}, {at::kFloat, "float32"},
      {at::kDouble, "float64"}, {at::kBFloat16, "bfloat16"}};
  std::string text = "other numbers";
  for (const auto& [type, name] : names)
    if (tensor.scalar_type() == type) text = name;
  std::string sizes;
  for (const int64_t size : tensor.sizes()) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  return text + " [" + sizes + "]";
}

}  // namespace tacet
