// What the process asks of the machine: threads for arithmetic, and memory that is kept.
#pragma once

namespace tacet {

// Intra-op threads of this process, for OpenMP, libtorch and OpenBLAS alike; two pools would fight over the cores.
void set_threads(int threads);

// Cores that this process may use: those of its affinity mask, or fewer where its control group has less time.
int available_cores();

// Tells the C library that every thread takes from the one heap, whose pages keep_large_blocks() sees to, and not from an
// area of its own. To be called before there is a second thread: later ones keep the areas that they have.
void share_one_heap();

// Tells the C library to give large blocks back as soon as they are freed, which is right for what comes once: a network as
// it is made leaves holes of its own size else, in which what is taken later does not fit.
void release_large_blocks();

// Tells the C library to keep freed blocks, and the system to lay what the heap grows by from now on into pages of 2 MB,
// where it has them for those who ask. Training frees and takes the same large tensors at every step; giving them back to
// the system in between costs page faults worth up to half a step, and small pages some per cent.
void keep_large_blocks();

}  // namespace tacet
