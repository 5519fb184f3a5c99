// See doctor_facts.h.
#include "cli/doctor_facts.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include <unistd.h>

#include "base/places.h"
#include "data/catalog/found.h"
#include "kernels/product/product.h"
#include "kernels/recurrent/recurrent.h"
#include "kernels/trust/kernel_check.h"
#include "launch/environment.h"
#include "tacet/error.h"
#include "tacet/registry.h"
#include "train/process.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

constexpr double measuring = 0.4, resolving = 2;  // seconds at most

// The one place that asks the kernels, which are compared with their naive twins first.
void add_kernels(DoctorFacts& facts) {
  try {
    for (const KernelPath& p : check_all_kernels().paths) facts.paths.push_back({p.kernel, p.path, p.refused});
  } catch (const std::runtime_error& e) {
    facts.wrong = e.what();
  }
  facts.paths.push_back({"recurrent layers", recurrent_path(), ""});
  facts.bf16 = bf16_products();
}

// Returns the bytes that arrays need so that they lie in memory and not in a cache: twelve times the last one's size. That
// is within bounds, and an eighth of the memory that is free.
double bytes_beyond_caches(const Memory& memory) {
  const auto cache = static_cast<double>(std::max(0L, ::sysconf(_SC_LEVEL3_CACHE_SIZE)));
  return std::min(std::clamp(12 * cache, 96e6, 768e6), std::max(8e6, memory.available / 8));
}

// Returns this machine's address on the way to others. Any address that is not its own does; this one is nobody's (RFC
// 5737).
std::string address_for_others() {
  try {
    return own_address_towards("192.0.2.1", 1);
  } catch (const UserError&) {
    return "";
  }
}

DiskRoom disk_room(const std::string& use, const std::string& folder) {
  DiskRoom room{use, folder, 0, 0, false};
  std::error_code error;
  fs::path there = fs::absolute(folder.empty() ? "." : folder, error);
  while (!fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  const fs::space_info space = fs::space(there, error);
  if (error) return room;
  room.free = static_cast<double>(space.available);
  room.total = static_cast<double>(space.capacity);
  room.writable = ::access(there.c_str(), W_OK | X_OK) == 0;
  return room;
}

std::vector<FoundData> found_data() {
  std::vector<FoundData> all;
  for (const DatasetInfo& row : datasets()) {
    if (row.task == "function" || is_of_ones_own(row)) continue;
    all.push_back({row.name, row.files.empty() ? "part of tacet" : place_of(row)});
  }
  return all;
}

}  // namespace

DoctorFacts examine_machine() {
  DoctorFacts facts;
  facts.versions = versions();
  facts.cores = available_cores();
  add_kernels(facts);
  facts.openmp = loaded_openmp_runtimes();
  facts.memory = this_memory();
  facts.memory_speed = memory_traffic(facts.cores, bytes_beyond_caches(facts.memory), measuring);
  facts.loopback = loopback_traffic(measuring);
  facts.interfaces = network_interfaces();
  facts.host = resolve_host(own_host_name(), resolving);
  facts.address = address_for_others();
  facts.data_folder = data_folder();
  facts.data = found_data();
  facts.disks = {disk_room("runs", "runs")};
  if (!facts.data_folder.empty()) facts.disks.push_back(disk_room("data", facts.data_folder));
  return facts;
}

}  // namespace tacet
