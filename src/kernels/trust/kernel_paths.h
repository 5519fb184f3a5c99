// The kernels that this process must not use, because they were found to be wrong (kernel_check.h). Like the number of
// threads, this is a setting of the process: it is set before the first step and read by the layers.
#pragma once

#include <string>

namespace tacet {

enum class Kernel { products, products_bf16, convolutions, convolutions_bf16, libtorch_layers };

// Returns true if the kernel was refused. All are trusted at the start.
bool refused(Kernel kernel);

// Refuses a kernel, or trusts it again. Refused libtorch layers do without oneDNN.
void refuse(Kernel kernel, bool is_wrong);

// Returns the version of oneDNN that tacet calls, "2.6.3"; empty in a build without it.
std::string onednn_version();

}  // namespace tacet
