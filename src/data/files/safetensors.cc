// See safetensors.h. The format: https://huggingface.co/docs/safetensors
#include "data/files/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "data/files/numbers.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using nlohmann::json;
constexpr uint64_t largest_header = 100'000'000;

struct Type {
  const char* name;
  at::ScalarType scalar;  // the tensor's
  int64_t bytes;
  char widened = 0;  // the kind in numbers.h of what libtorch has no type for; such numbers are not written
};
constexpr Type types[] = {{"F32", at::kFloat, 4},      {"F64", at::kDouble, 8},   {"I64", at::kLong, 8},
                          {"I32", at::kInt, 4},        {"U8", at::kByte, 1},      {"F16", at::kHalf, 2},
                          {"BF16", at::kBFloat16, 2},  {"I16", at::kShort, 2},    {"I8", at::kChar, 1},
                          {"BOOL", at::kBool, 1, 'b'}, {"U16", at::kInt, 2, 'u'}, {"U32", at::kLong, 4, 'u'},
                          {"U64", at::kLong, 8, 'u'}};

[[noreturn]] void bad(const std::string& path, const std::string& what) { throw UserError(path + ": " + what); }

int64_t element_count(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (int64_t s : shape)
    if (s < 0 || __builtin_mul_overflow(n, s, &n)) return -1;
  return n;
}

// Throws UserError unless the tensors lie behind each other and cover all data: bytes that no tensor has would be left out,
// and tensors that share bytes can claim more memory than the file has bytes.
void require_cover(const std::string& path, const json& header, uint64_t data_size) {
  std::vector<std::pair<uint64_t, uint64_t>> parts;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto offsets = entry.is_object() && entry.contains("data_offsets") ? entry["data_offsets"] : json();
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
      bad(path, name + ": the header's entry lacks dtype, shape or data_offsets, or they have the wrong type");
    parts.emplace_back(offsets[0].get<uint64_t>(), offsets[1].get<uint64_t>());
  }
  std::sort(parts.begin(), parts.end());
  uint64_t end = 0;
  for (const auto& [from, to] : parts) {
    if (from != end || to < from)
      bad(path, "its tensors must lie behind each other, got one that begins at byte " + std::to_string(from) +
                    " of the data behind one that ends at byte " + std::to_string(end));
    end = to;
  }
  if (end != data_size)
    bad(path, "its tensors must cover its " + std::to_string(data_size) + " bytes of data, got " + std::to_string(end));
}

}  // namespace

std::vector<NamedTensor> read_safetensors(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) bad(path, std::string("can't be opened: ") + std::strerror(errno));
  std::error_code error;
  const uint64_t file_size = std::filesystem::file_size(path, error);
  if (error) bad(path, "is not a file");
  unsigned char raw[8];
  if (file_size < 8 || !in.read(reinterpret_cast<char*>(raw), 8))
    bad(path, "is not a safetensors file: shorter than the 8 bytes of the header's length");
  uint64_t header_size = 0;
  for (int k = 7; k >= 0; --k) header_size = header_size << 8 | raw[k];
  if (header_size > largest_header || header_size > file_size - 8)
    bad(path, "is not a safetensors file or is truncated: the header claims " + std::to_string(header_size) +
                  " bytes, the file has " + std::to_string(file_size));
  std::string text(header_size, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(header_size))) bad(path, "can't be read");
  const json header = json::parse(text, nullptr, false);
  if (!header.is_object()) bad(path, "offset 8: the header is not a JSON object");

  const uint64_t data_size = file_size - 8 - header_size;
  require_cover(path, header, data_size);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    try {
      const Type* type = nullptr;
      for (const Type& t : types)
        if (entry.at("dtype").get<std::string>() == t.name) type = &t;
      if (!type)
        bad(path, name + ": dtype must be BOOL, F16, BF16, F32, F64, I8 … I64 or U8 … U64, got " + entry.at("dtype").dump());
      const auto shape = entry.at("shape").get<std::vector<int64_t>>();
      const auto offsets = entry.at("data_offsets").get<std::vector<uint64_t>>();
      const int64_t count = element_count(shape);
      if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_size || count < 0 ||
          count > static_cast<int64_t>(data_size) ||
          offsets[1] - offsets[0] != static_cast<uint64_t>(count) * static_cast<uint64_t>(type->bytes))
        bad(path, name + ": shape and data_offsets don't fit the file's " + std::to_string(data_size) + " bytes of data");
      tensors.push_back({name, at::empty(type->widened ? std::vector<int64_t>{0} : shape, type->scalar)});
      at::Tensor& tensor = tensors.back().tensor;
      std::vector<uint8_t> raw_numbers(type->widened ? offsets[1] - offsets[0] : 0);
      void* const to = type->widened ? raw_numbers.data() : tensor.data_ptr();
      in.seekg(static_cast<std::streamoff>(8 + header_size + offsets[0]));
      if (count > 0 && !in.read(static_cast<char*>(to), static_cast<std::streamsize>(offsets[1] - offsets[0])))
        bad(path, name + ": can't be read");
      if (type->widened) tensor = numbers_of(path, raw_numbers.data(), {type->widened, type->bytes}, shape);
    } catch (const json::exception&) {
      bad(path, name + ": the header's entry lacks dtype, shape or data_offsets, or they have the wrong type");
    }
  }
  return tensors;
}

void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors) {
  json header = json::object();
  uint64_t at = 0;
  std::vector<std::string_view> pieces(2);
  for (const auto& [name, tensor] : tensors) {
    const Type* type = nullptr;
    for (const Type& t : types)
      if (tensor.scalar_type() == t.scalar && !t.widened) type = &t;
    if (!type || !tensor.is_contiguous())
      throw std::logic_error("write_safetensors: " + name + " has an unsupported type or layout");
    const auto bytes = static_cast<uint64_t>(tensor.numel() * type->bytes);
    header[name] = {{"dtype", type->name}, {"shape", tensor.sizes().vec()}, {"data_offsets", {at, at + bytes}}};
    pieces.emplace_back(static_cast<const char*>(tensor.data_ptr()), bytes);
    at += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data starts on a multiple of eight
  char raw[8];
  for (int k = 0; k < 8; ++k) raw[k] = static_cast<char>(text.size() >> (8 * k));
  pieces[0] = {raw, 8};
  pieces[1] = text;
  write_atomically(path, pieces);
}

namespace {

std::string shape_of(const at::Tensor& tensor) {
  std::string text;
  for (const int64_t n : tensor.sizes()) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

// Returns the tensors with their shapes, the first ones where there are many.
std::string listed(const std::vector<NamedTensor>& tensors) {
  constexpr size_t most = 40;
  std::string text;
  for (size_t k = 0; k < std::min(most, tensors.size()); ++k)
    text += (text.empty() ? "" : ", ") + tensors[k].name + " " + shape_of(tensors[k].tensor);
  if (tensors.size() > most) text += ", … (" + std::to_string(tensors.size()) + " in all)";
  return text.empty() ? "none" : text;
}

}  // namespace

void save_parameters(const std::string& path, const std::vector<Layer>& layers, const Vec& x) {
  save_model(path, layers, x, {}, {});
}

void save_model(const std::string& path, const std::vector<Layer>& layers, const Vec& x,
                const std::vector<Layer>& buffer_layers, const Vec& buffers) {
  std::vector<NamedTensor> tensors;
  for (const Layer& l : layers) tensors.push_back({l.name, x.narrow(0, l.offset, l.size).view(l.shape)});
  for (const Layer& l : buffer_layers) tensors.push_back({l.name, buffers.narrow(0, l.offset, l.size).view(l.shape)});
  write_safetensors(path, tensors);
}

std::vector<std::string> load_parameters(const std::string& path, const std::vector<Layer>& layers, const Vec& x) {
  const auto tensors = read_safetensors(path);
  std::set<std::string> others;
  for (const NamedTensor& t : tensors) others.insert(t.name);
  for (const Layer& l : layers) {
    const NamedTensor* found = nullptr;
    for (const auto& t : tensors)
      if (t.name == l.name) found = &t;
    if (!found) bad(path, "has no tensor " + l.name + " of this model; its tensors are " + listed(tensors));
    if (found->tensor.sizes().vec() != l.shape || found->tensor.scalar_type() != at::kFloat) {
      std::string want;
      for (int64_t s : l.shape) want += (want.empty() ? "" : ", ") + std::to_string(s);
      bad(path, l.name + " must be float32 of shape [" + want + "], got " + described(found->tensor) + "; its tensors are " +
                    listed(tensors));
    }
    if (l.size > 0)
      std::memcpy(x.data_ptr<float>() + l.offset, found->tensor.data_ptr(), static_cast<size_t>(l.size) * sizeof(float));
    others.erase(l.name);
  }
  return {others.begin(), others.end()};
}

}  // namespace tacet
