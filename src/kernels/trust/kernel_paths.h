// The kernels that this process must not use, because they were found to be wrong (kernel_check.h). Like the number of
// threads, this is a setting of the process: it is set before the first step and read by the layers.
#pragma once

namespace tacet {

enum class Kernel { products, products_bf16, convolutions, convolutions_bf16 };

// Returns true if the kernel was refused. All are trusted at the start.
bool refused(Kernel kernel);

// Refuses a kernel, or trusts it again.
void refuse(Kernel kernel, bool is_wrong);

}  // namespace tacet
