// Arrays in NumPy's .npy files, versions 1 and 2: little-endian numbers in C order.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace tacet {

// uint8, int32, int64, float32 or float64. Throws UserError with file and reason.
at::Tensor read_npy(const std::string& path);

}  // namespace tacet
