// convolution.h where oneDNN is missing: callers take libtorch's path.
#include <stdexcept>

#include "kernels/convolution/convolution.h"

namespace tacet {
namespace {

[[noreturn]] void missing() { throw std::logic_error("convolution.h needs oneDNN"); }

}  // namespace

bool fast_convolutions() { return false; }
Precision Convolution::taken(const at::Tensor&, const at::Tensor&, const at::Tensor&) const { missing(); }
void Convolution::forward(const at::Tensor&, const at::Tensor&, const at::Tensor&) const { missing(); }
void Convolution::backward_input(const at::Tensor&, const at::Tensor&, const at::Tensor&) const { missing(); }
void Convolution::backward_weights(const at::Tensor&, const at::Tensor&, const at::Tensor&) const { missing(); }

}  // namespace tacet
