// Arrays in NumPy's .npy files, versions 1 to 3, as NumPy of Python 2 or 3 writes them.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace tacet {

// Returns the array: bool, integers or floating point, in either byte order, in C or Fortran order. Unsigned integers of 2,
// 4 and 8 bytes become signed ones that hold them. Throws UserError with file and reason.
at::Tensor read_npy(const std::string& path);

}  // namespace tacet
