// Tensors in files: the safetensors format (an 8-byte little-endian length, a JSON header, raw data). Reading checks every
// claim of the header against the file's size before it allocates. Writing is atomic: a side file, synced, then renamed.
#pragma once

#include <string>
#include <vector>

#include "tacet/objective.h"

namespace tacet {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;  // contiguous, on the CPU
};

// Returns all tensors. Unsigned integers of 2, 4 and 8 bytes become signed ones that hold them. Throws UserError with file,
// offset and reason.
std::vector<NamedTensor> read_safetensors(const std::string& path);
// Throws UserError when the file can't be written; an older file of that name is then untouched. REQUIRES: tensors of
// floating point, signed integers or uint8.
void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors);

// The model's parameters: layers' names and shapes.
void save_parameters(const std::string& path, const std::vector<Layer>& layers, const Vec& x);
// Writes the model's parameters, and behind them its buffers under names of their own.
void save_model(const std::string& path, const std::vector<Layer>& layers, const Vec& x,
                const std::vector<Layer>& buffer_layers, const Vec& buffers);
// Fills x from the file; every layer must be there with its shape (UserError otherwise). Returns the names of the file's
// tensors that are no layer.
std::vector<std::string> load_parameters(const std::string& path, const std::vector<Layer>& layers, const Vec& x);

}  // namespace tacet
