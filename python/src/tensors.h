// Tensors on their way between Python and C++, by DLPack: both sides see one memory. No other part of torch's Python library
// is used.
#pragma once

#include <ATen/DLConvertor.h>
#include <ATen/core/Tensor.h>
#include <pybind11/pybind11.h>

namespace tacet {

// Returns the tensor of a DLPack capsule, as torch.utils.dlpack.to_dlpack makes one. The capsule is used up.
inline at::Tensor tensor_of(const pybind11::capsule& capsule) {
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (!managed) throw pybind11::error_already_set();
  at::Tensor tensor = at::fromDLPack(managed);
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  return tensor;
}

// Returns a capsule for torch.utils.dlpack.from_dlpack, which must be called on it.
inline pybind11::object capsule_of(const at::Tensor& tensor) {
  return pybind11::reinterpret_steal<pybind11::object>(PyCapsule_New(at::toDLPack(tensor), "dltensor", nullptr));
}

}  // namespace tacet
