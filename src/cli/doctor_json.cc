// The report of `tacet doctor` as JSON. Its keys are told in docs/reference/commands.md; they are added to, never renamed.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "cli/doctor_command.h"
#include "report/json_text.h"

namespace tacet {
namespace {

using nlohmann::json;

// Returns a number, or null for one that is not known.
json known(double value) { return value > 0 ? json(value) : json(nullptr); }

json of_processor(const DoctorFacts& f) {
  const Processor& p = f.versions.processor;
  return {{"name", p.name},        {"cores", p.cores},   {"usable_cores", f.cores},
          {"avx2", p.avx2},        {"avx512", p.avx512}, {"avx512_bf16", p.avx512_bf16},
          {"amx_bf16", p.amx_bf16}};
}

json of_kernels(const DoctorFacts& f) {
  json paths = json::array();
  for (const PathTaken& p : f.paths) paths.push_back({{"kernel", p.kernel}, {"path", p.path}, {"refused", p.refused}});
  return {{"paths", paths}, {"bf16", f.bf16}, {"onednn", f.versions.onednn}, {"torch", f.versions.torch}};
}

json of_traffic(const Traffic& t) {
  return {{"bytes", known(t.bytes)}, {"seconds", known(t.seconds)}, {"bytes_per_second", known(t.rate())}, {"how", t.how}};
}

json of_memory(const DoctorFacts& f) {
  json j = of_traffic(f.memory_speed);
  j.update({{"total_bytes", known(f.memory.total)},
            {"available_bytes", known(f.memory.available)},
            {"limit_bytes", known(f.memory.limit)}});
  return j;
}

json of_loopback(const DoctorFacts& f) {
  json j = of_traffic(f.loopback.stream);
  j.update({{"round_trip_seconds", known(f.loopback.round_trip)}, {"round_trips", f.loopback.trips}});
  return j;
}

json of_hosts(const DoctorFacts& f) {
  json interfaces = json::array();
  for (const NetworkInterface& i : f.interfaces)
    interfaces.push_back(
        {{"name", i.name}, {"address", i.address}, {"loopback", i.loopback}, {"bits_per_second", known(i.bits)}});
  return {{"name", f.host.name},
          {"name_addresses", f.host.addresses},
          {"resolver_answered", f.host.answered},
          {"address", f.address},
          {"interfaces", interfaces}};
}

json of_data(const DoctorFacts& f) {
  json sets = json::array();
  for (const FoundData& d : f.data) sets.push_back({{"name", d.name}, {"found", !d.place.empty()}, {"place", d.place}});
  return {{"folder", f.data_folder}, {"sets", sets}};
}

json of_disks(const DoctorFacts& f) {
  json disks = json::array();
  for (const DiskRoom& d : f.disks)
    disks.push_back(
        {{"use", d.use}, {"folder", d.folder}, {"free_bytes", d.free}, {"total_bytes", d.total}, {"writable", d.writable}});
  return disks;
}

}  // namespace

std::string doctor_json(const DoctorFacts& f, const std::vector<Advice>& advice) {
  json said = json::array();
  bool can_train = true;
  for (const Advice& a : advice) {
    said.push_back({{"level", name_of(a.level)}, {"about", a.about}, {"text", a.text}});
    can_train = can_train && a.level != Advice::Level::fatal;
  }
  const Blas& blas = f.versions.blas;
  const json all = {{"tacet", f.versions.tacet},
                    {"commit", f.versions.commit},
                    {"processor", of_processor(f)},
                    {"kernels", of_kernels(f)},
                    {"blas", {{"name", blas.name}, {"file", blas.file}, {"threads", blas.threads}, {"kernel", blas.kernel}}},
                    {"openmp", f.openmp},
                    {"memory", of_memory(f)},
                    {"loopback", of_loopback(f)},
                    {"hosts", of_hosts(f)},
                    {"data", of_data(f)},
                    {"disks", of_disks(f)},
                    {"advice", said},
                    {"can_train", can_train}};
  return json_text(all);
}

}  // namespace tacet
