// IDX files, plain or gzip, the format of MNIST and its relatives: a magic number, one size for each dimension, then bytes.
// The data sets are in data/images/mnist.cc.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace tacet {

// Reads a file of unsigned bytes with `dimensions` dimensions into a uint8 tensor of the file's sizes. Every claim of the
// header is checked against the file before memory is taken. Throws UserError with file, byte offset and reason when the
// file can't be read, is no such IDX file, is cut off or has bytes too many.
at::Tensor read_idx(const std::string& path, int dimensions);

}  // namespace tacet
