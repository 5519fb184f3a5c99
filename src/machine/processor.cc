// See processor.h.
#include "machine/processor.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace tacet {

Processor read_processor(std::istream& text) {
  Processor p;
  std::set<std::string> flags;
  for (std::string line; std::getline(text, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    const std::string value = line.substr(std::min(line.size(), line.find_first_not_of(" \t", colon + 1)));
    if (key == "processor") ++p.cores;
    if (key == "model name" && p.name.empty()) p.name = value;
    if (key == "flags" && flags.empty()) {
      std::istringstream words(value);
      for (std::string word; words >> word;) flags.insert(word);
    }
  }
  const auto has = [&](const char* flag) { return flags.count(flag) > 0; };
  p.avx2 = has("avx2") && has("fma");
  p.avx512 = has("avx512f") && has("avx512bw") && has("avx512dq") && has("avx512vl");
  p.avx512_bf16 = has("avx512_bf16");
  p.amx_bf16 = has("amx_tile") && has("amx_bf16");
  return p;
}

Processor this_processor() {
  std::ifstream text("/proc/cpuinfo");
  return read_processor(text);
}

std::string vector_units(const Processor& p) {
  const auto part = [](bool there, const char* name) { return (there ? "" : "no ") + std::string(name); };
  return part(p.avx2, "AVX2") + ", " + part(p.avx512, "AVX-512") + ", " + part(p.avx512_bf16, "bf16") + ", " +
         part(p.amx_bf16, "AMX");
}

double proc_bytes(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key + ":")) return 1024.0 * std::strtod(line.c_str() + key.size() + 1, nullptr);
  return 0;
}

Memory this_memory() {
  Memory m{proc_bytes("/proc/meminfo", "MemTotal"), proc_bytes("/proc/meminfo", "MemAvailable"), 0};
  // "max" where there is no limit, which is no number.
  if (double limit = 0; std::ifstream("/sys/fs/cgroup/memory.max") >> limit) m.limit = limit;
  return m;
}

}  // namespace tacet
