// The settings of this process: threads for arithmetic, and memory that is kept.
#pragma once

namespace tacet {

// Sets the intra-op threads of this process for OpenMP, libtorch and OpenBLAS alike. Two pools would fight over the cores.
void set_threads(int threads);

// Returns the cores that this process may use: those of its affinity mask, or fewer where its control group has less time.
int available_cores();

// Tells the C library that every thread takes from the one heap, whose pages keep_large_blocks() sees to, and not from an
// area of its own. REQUIRES: there is no second thread yet, as threads keep the areas that they have.
void share_one_heap();

// Tells the C library to give large blocks back as soon as they are freed. That is right for blocks that come once. A
// network would otherwise leave holes of its own size when it is made, in which later blocks do not fit.
void release_large_blocks();

// Tells the C library to keep freed blocks, and the system to use pages of 2 MB for the heap's growth from now on, where it
// has them for those who ask. Training frees and takes equal large tensors at every step. Giving them back to the system in
// between costs page faults worth up to half a step, and small pages some per cent.
void keep_large_blocks();

}  // namespace tacet
