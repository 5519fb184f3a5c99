// See libraries.h. A symbol is looked up where libtorch's own calls find it.
#include "machine/libraries.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <dlfcn.h>

namespace tacet {
namespace {

template <class Function>
Function* loaded_function(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

std::string file_of(const void* address) {
  Dl_info info{};
  if (::dladdr(address, &info) == 0 || !info.dli_fname) return "";
  std::error_code error;
  const auto real = std::filesystem::canonical(info.dli_fname, error);
  return error ? info.dli_fname : real.string();
}

std::string threads_of_openblas() {
  auto* const parallel = loaded_function<int()>("openblas_get_parallel");
  if (!parallel) return "unknown";
  const int kind = parallel();
  return kind == 0 ? "none" : kind == 1 ? "its own" : "OpenMP";
}

}  // namespace

std::vector<std::string> mapped_files(std::istream& maps) {
  std::vector<std::string> files;
  for (std::string line; std::getline(maps, line);) {
    const size_t path = line.find('/');
    if (path == std::string::npos) continue;
    const std::string file = line.substr(path);
    if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
  }
  return files;
}

std::vector<std::string> openmp_runtimes(const std::vector<std::string>& files) {
  std::vector<std::string> runtimes;
  for (const std::string& file : files) {
    const std::string name = file.substr(file.rfind('/') + 1);
    // A wheel's libgomp has a number in its name: libgomp-a34b3233.so.1.
    for (const char* runtime : {"libgomp", "libomp", "libiomp5"}) {
      const std::string rest = name.starts_with(runtime) ? name.substr(std::string(runtime).size()) : "";
      if (rest.starts_with(".so") || rest.starts_with("-")) runtimes.push_back(file);
    }
  }
  return runtimes;
}

std::vector<std::string> loaded_openmp_runtimes() {
  std::ifstream maps("/proc/self/maps");
  return openmp_runtimes(mapped_files(maps));
}

std::string version_in(const std::string& text) {
  std::istringstream words(text);
  for (std::string word; words >> word;)
    if (word.find('.') != std::string::npos && std::isdigit(static_cast<unsigned char>(word[0]))) return word;
  return "";
}

Blas loaded_blas() {
  Blas blas;
  const void* product = ::dlsym(RTLD_DEFAULT, "sgemm_");
  if (!product) return blas;
  blas.file = file_of(product);
  blas.threads = "unknown";
  if (auto* const config = loaded_function<char*()>("openblas_get_config")) {
    blas.name = "OpenBLAS " + version_in(config());
    blas.threads = threads_of_openblas();
    if (auto* const core = loaded_function<char*()>("openblas_get_corename")) blas.kernel = core();
  } else if (auto* const about = loaded_function<void(char*, int)>("MKL_Get_Version_String")) {
    char text[200] = {};
    about(text, sizeof text - 1);
    blas.name = "MKL " + version_in(text);
  } else if (auto* const version = loaded_function<const char*()>("bli_info_get_version_str")) {
    blas.name = "BLIS " + std::string(version());
  } else {
    blas.name = "reference BLAS";
    blas.threads = "none";
  }
  return blas;
}

std::string loaded_onednn() {
  // The head of oneDNN's own struct, which has kept its first three fields since version 1.
  struct Version {
    int major, minor, patch;
  };
  auto* const version = loaded_function<const Version*()>("dnnl_version");
  if (!version) return "";
  const Version* v = version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

}  // namespace tacet
