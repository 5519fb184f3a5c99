// The program behind all fuzz targets, so that they are compiled together: most of a build is libtorch's headers. The name
// by which it is called says which reader gets the input (fuzz_idx, fuzz_table, …).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

using Target = int (*)(const uint8_t* data, size_t size);

#define TARGET(name) int fuzz_##name(const uint8_t* data, size_t size);
#include "targets.inc"
#undef TARGET

static Target target = nullptr;

extern "C" int LLVMFuzzerInitialize(int*, char*** argv) {
  const std::map<std::string, Target> targets = {
#define TARGET(name) {"fuzz_" #name, fuzz_##name},
#include "targets.inc"
#undef TARGET
  };
  const std::string name = std::filesystem::path((*argv)[0]).filename().string();
  const auto found = targets.find(name);
  if (found == targets.end()) {
    std::fprintf(stderr, "fuzz: no target is called %s\n", name.c_str());
    std::exit(2);
  }
  target = found->second;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { return target(data, size); }
