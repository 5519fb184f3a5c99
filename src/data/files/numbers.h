// Numbers as array files hold them, turned into tensors of the types that libtorch has. Files' headers are not known here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace tacet {

// The type of a file's numbers.
struct NumberType {
  char kind = 'f';  // as NumPy writes it: b for bool, i and u for integers, f for floating point
  int64_t bytes = 4;
  bool big_endian = false;
};

// Tells if numbers of the type can be read: bool, integers of 1, 2, 4 and 8 bytes, floating point of 2, 4 and 8.
bool is_readable(const NumberType& type);

// Returns the numbers at `data` in that shape. Unsigned integers of 2, 4 and 8 bytes become signed ones that hold them.
// Throws UserError naming `path` for a number beyond 2⁶³. REQUIRES: is_readable(type), and `data` holds all of them.
at::Tensor numbers_of(const std::string& path, const uint8_t* data, const NumberType& type,
                      const std::vector<int64_t>& shape);

// Returns a tensor's type and shape for messages: "float32 [40, 3]".
std::string described(const at::Tensor& tensor);

}  // namespace tacet
