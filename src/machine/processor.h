// The processor and the memory of this machine, as the system describes them. Nothing is measured here.
#pragma once

#include <iosfwd>
#include <string>

namespace tacet {

struct Processor {
  std::string name;                   // empty where the system doesn't say
  int cores = 0;                      // logical ones of the machine, which a process may have fewer of
  bool avx2 = false, avx512 = false;  // avx512: F, BW, DQ and VL, which tacet's kernels take together
  bool avx512_bf16 = false, amx_bf16 = false;
};

// Returns what a text in the form of /proc/cpuinfo says. Other systems' keys leave the fields as they are.
Processor read_processor(std::istream& text);
// Returns what /proc/cpuinfo says.
Processor this_processor();

// Returns "AVX2, no AVX-512, no bf16, no AMX", with what is there.
std::string vector_units(const Processor& processor);

// Returns the bytes of a line "KEY:  number kB" in a file of /proc; 0 where there is none.
double proc_bytes(const std::string& file, const std::string& key);

struct Memory {
  double total = 0, available = 0;  // bytes; 0: unknown
  double limit = 0;                 // that this process's control group may use; 0: none
};
Memory this_memory();

}  // namespace tacet
