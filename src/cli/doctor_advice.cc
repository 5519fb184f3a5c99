// See doctor_advice.h. A function for each part of the report.
#include "cli/doctor_advice.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/progress.h"
#include "launch/environment.h"

namespace tacet {
namespace {

constexpr double least_memory = 200e6, small_memory = 1e9, small_disk = 1e9;  // bytes

using Level = Advice::Level;
using AdviceList = std::vector<Advice>;

void judge_processor(const DoctorFacts& f, AdviceList& out) {
  const Processor& p = f.versions.processor;
  const auto say = [&](Level level, std::string text) { out.push_back({level, "processor", std::move(text)}); };
  if (!p.avx2)
    say(Level::warning, "without AVX2 all arithmetic is several times slower than on processors since 2013");
  else if (!p.avx512)
    say(Level::note, "tacet's own convolutions and products of few rows need AVX-512; here the libraries' kernels run");
  if (f.cores < p.cores)
    say(Level::note,
        fmt::format("this process may use {} of {} cores (its affinity, or its control group's quota)", f.cores, p.cores));
  if (!f.bf16) say(Level::note, "run.dtype = \"bf16\" needs AVX512-BF16 or AMX; f32 works");
}

void judge_kernels(const DoctorFacts& f, AdviceList& out) {
  for (const PathTaken& path : f.paths)
    if (!path.refused.empty())
      out.push_back({Level::warning, "kernels",
                     fmt::format("{}: {}, so {} is used, which is right and slower", path.kernel, path.refused, path.path)});
  if (!f.wrong.empty()) out.push_back({Level::fatal, "kernels", f.wrong});
  if (f.versions.onednn.empty())
    out.push_back({Level::warning, "kernels",
                   "this build has no oneDNN, so layers take libtorch's slower path; install libdnnl-dev and build again"});
}

void judge_blas(const DoctorFacts& f, AdviceList& out) {
  const Blas& blas = f.versions.blas;
  const std::string mend = "; apt install libopenblas0-openmp";
  if (blas.name == "reference BLAS")
    out.push_back({Level::warning, "blas", "the reference BLAS is many times slower than OpenBLAS" + mend});
  if (blas.threads == "its own")
    out.push_back({Level::warning, "blas",
                   "this BLAS has a pool of threads of its own, which fights with OpenMP's over the cores" + mend});
}

void judge_openmp(const DoctorFacts& f, AdviceList& out) {
  if (f.openmp.size() < 2) return;
  std::string names;
  for (const std::string& file : f.openmp) names += (names.empty() ? "" : " and ") + file;
  out.push_back({Level::warning, "openmp",
                 names + " are loaded together, each with a pool of threads that fights with the other's over the cores; "
                         "build against one libtorch, Debian's or pip's, and its own runtime"});
}

void judge_memory(const DoctorFacts& f, AdviceList& out) {
  const Memory& m = f.memory;
  const double usable = m.limit > 0 ? std::min(m.limit, m.available) : m.available;
  if (m.available > 0 && usable < least_memory)
    out.push_back({Level::fatal, "memory", human_bytes(usable) + " are free, and libtorch alone takes more; end something"});
  else if (m.available > 0 && usable < small_memory)
    out.push_back({Level::warning, "memory",
                   human_bytes(usable) + " are free; `tacet train RECIPE --dry-run` says what a recipe needs"});
  if (m.limit > 0 && m.limit < m.total)
    out.push_back({Level::note, "memory", "this process's control group may use " + human_bytes(m.limit)});
  if (!f.memory_speed.error.empty()) out.push_back({Level::warning, "memory", "not measured: " + f.memory_speed.error});
}

void judge_loopback(const DoctorFacts& f, AdviceList& out) {
  if (f.loopback.stream.error.empty()) return;
  out.push_back({Level::warning, "loopback",
                 f.loopback.stream.error + "; the workers of --workers meet on 127.0.0.1 (`ip link set lo up`); one worker, "
                                           "the default, needs no network"});
}

// Advises on a name that others would be told and that leads them to themselves.
void judge_name(const DoctorFacts& f, AdviceList& out) {
  const auto& all = f.host.addresses;
  const auto inner = std::find_if(all.begin(), all.end(), [](const std::string& a) { return is_loopback(a); });
  if (!f.host.answered) {
    out.push_back({Level::warning, "hosts",
                   "the resolver did not answer for " + f.host.name +
                       " in time; look at /etc/resolv.conf, or write the name "
                       "into /etc/hosts"});
  } else if (inner != all.end() && !f.address.empty()) {
    out.push_back(
        {Level::warning, "hosts",
         fmt::format("{0} is {1} here, where no other machine reaches it: write \"{2} {0}\" into /etc/hosts in place "
                     "of \"{1} {0}\", or give MASTER_ADDR={2}",
                     f.host.name, *inner, f.address)});
  } else if (all.empty() && !f.address.empty()) {
    out.push_back({Level::note, "hosts",
                   fmt::format("the resolver has no address for {0}: where machines meet by name, write \"{1} {0}\" into "
                               "/etc/hosts on all of them, or give MASTER_ADDR={1}",
                               f.host.name, f.address)});
  }
}

void judge_hosts(const DoctorFacts& f, AdviceList& out) {
  if (f.address.empty())
    out.push_back({Level::note, "hosts", "there is no way to other machines, so runs stay on this one"});
  judge_name(f, out);
}

void judge_data(const DoctorFacts& f, AdviceList& out) {
  if (f.data_folder.empty())
    out.push_back(
        {Level::warning, "data", "neither $TACET_DATA nor $HOME is set, so data are looked for in data.root only"});
  const bool any = std::any_of(f.data.begin(), f.data.end(), [](const FoundData& d) { return d.place.starts_with("/"); });
  if (!any)
    out.push_back(
        {Level::note, "data",
         "only the text that is part of tacet is here; `tacet data info NAME` says where files are expected, `tacet "
         "data fetch NAME` downloads some"});
}

void judge_disks(const DoctorFacts& f, AdviceList& out) {
  for (const DiskRoom& disk : f.disks) {
    const std::string other = disk.use == "runs" ? "--out" : "$TACET_DATA";
    if (!disk.writable)
      out.push_back({Level::warning, "disk", disk.folder + " can't be written; give another folder with " + other});
    else if (disk.free < small_disk)
      out.push_back({Level::warning, "disk",
                     fmt::format("{} has room for {} only; give a folder on another disk with {}", disk.folder,
                                 human_bytes(disk.free), other)});
  }
}

}  // namespace

std::vector<Advice> advice_for(const DoctorFacts& facts) {
  std::vector<Advice> all;
  for (const auto judge : {judge_processor, judge_kernels, judge_blas, judge_openmp, judge_memory, judge_loopback,
                           judge_hosts, judge_data, judge_disks})
    judge(facts, all);
  return all;
}

std::string name_of(Advice::Level level) {
  return level == Level::note ? "note" : level == Level::warning ? "warning" : "fatal";
}

}  // namespace tacet
