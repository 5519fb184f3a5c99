// The libraries for arithmetic that this process has loaded: their versions, their files and their pools of threads, as the
// loader and the libraries themselves tell. Nothing is linked or loaded here.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tacet {

// Returns the files of a text in the form of /proc/self/maps, each once, in its order.
std::vector<std::string> mapped_files(std::istream& maps);

// Returns those files that are runtimes of OpenMP (libgomp, libomp, libiomp5). Each has a pool of threads of its own.
std::vector<std::string> openmp_runtimes(const std::vector<std::string>& files);

// Returns the runtimes of OpenMP that this process has loaded.
std::vector<std::string> loaded_openmp_runtimes();

// The library that a call of BLAS reaches in this process.
struct Blas {
  std::string name;     // "OpenBLAS 0.3.21", "reference BLAS", …; empty: none
  std::string file;     // the one that holds sgemm_
  std::string threads;  // "OpenMP", "its own", "none" or "unknown"
  std::string kernel;   // the processor that OpenBLAS has chosen its kernels for; empty: it doesn't tell
};
Blas loaded_blas();

// Returns the version in a text like "OpenBLAS 0.3.21 DYNAMIC_ARCH USE_OPENMP"; empty where it has none.
std::string version_in(const std::string& text);

// Returns the version of the oneDNN that this process has loaded; empty where it has none.
std::string loaded_onednn();

}  // namespace tacet
