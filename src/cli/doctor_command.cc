// See doctor_command.h. The report in words; as JSON it is in doctor_json.cc.
#include "cli/doctor_command.h"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

#include "base/terminal.h"
#include "base/utf8.h"
#include "base/wrapped.h"
#include "cli/progress.h"

namespace tacet {
namespace {

constexpr size_t head_columns = 11;  // in front of the text

std::string rate(double bytes_a_second) { return human_bytes(bytes_a_second) + "/s"; }

std::string join(const std::vector<std::string>& words, const std::string& between = ", ") {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

std::string processor_line(const DoctorFacts& f) {
  const Processor& p = f.versions.processor;
  return fmt::format("{}: {}; {} of {} core{}", p.name.empty() ? "unknown" : visible(p.name), vector_units(p), f.cores,
                     p.cores, p.cores == 1 ? "" : "s");
}

std::string kernels_line(const DoctorFacts& f) {
  std::vector<std::string> parts;
  for (const PathTaken& path : f.paths) parts.push_back(path.kernel + " " + path.path);
  const Versions& v = f.versions;
  return fmt::format("{}; libtorch {}, {}", join(parts), v.torch, v.onednn.empty() ? "no oneDNN" : "oneDNN " + v.onednn);
}

std::string blas_line(const DoctorFacts& f) {
  const Blas& blas = f.versions.blas;
  return blas_text(blas) + (blas.file.empty() ? "" : " (" + blas.file + ")");
}

std::string openmp_line(const DoctorFacts& f) {
  return f.openmp.empty() ? "no runtime is loaded" : join(f.openmp) + (f.openmp.size() == 1 ? ", the only runtime" : "");
}

std::string memory_line(const DoctorFacts& f) {
  std::string line = fmt::format("{}, {} free", human_bytes(f.memory.total), human_bytes(f.memory.available));
  if (f.memory_speed.error.empty()) line += fmt::format("; {} ({})", rate(f.memory_speed.rate()), f.memory_speed.how);
  return line;
}

std::string loopback_line(const DoctorFacts& f) {
  const LoopbackTraffic& l = f.loopback;
  if (!l.stream.error.empty()) return "not measured";
  return fmt::format("{} ({}); {:.0f} µs there and back (one byte, median of {})", rate(l.stream.rate()), l.stream.how,
                     1e6 * l.round_trip, l.trips);
}

std::string hosts_line(const DoctorFacts& f) {
  std::vector<std::string> parts;
  for (const NetworkInterface& i : f.interfaces)
    if (!i.loopback)
      parts.push_back(i.name + " " + i.address + (i.bits > 0 ? fmt::format(" at {:g} Gbit/s", i.bits / 1e9) : ""));
  std::string line = parts.empty() ? "no interface but loopback" : join(parts);
  if (!f.address.empty()) line += "; workers here listen on " + f.address;
  return line + "; this machine's name is " + visible(f.host.name) +
         (f.host.addresses.empty() ? "" : ", that is " + join(f.host.addresses));
}

std::string data_line(const DoctorFacts& f) {
  std::vector<std::string> found, missing;
  for (const FoundData& d : f.data)
    if (d.place.empty())
      missing.push_back(d.name);
    else
      found.push_back(d.name + (d.place.starts_with("/") ? " in " : " ") + visible(d.place));
  return join(found) + (missing.empty() ? "" : "; not found: " + join(missing));
}

std::string disk_line(const DoctorFacts& f) {
  std::vector<std::string> parts;
  for (const DiskRoom& d : f.disks)
    parts.push_back(
        fmt::format("{} in {}: {} free of {}", d.use, visible(d.folder), human_bytes(d.free), human_bytes(d.total)));
  return join(parts, "; ");
}

// Returns the line with its head in front, and the advice about it below.
std::string part(const std::string& about, const std::string& line, const std::vector<Advice>& advice, size_t width,
                 bool colour) {
  std::string text = wrapped(line, head_columns, width);
  text.replace(0, about.size(), about);
  for (const Advice& a : advice) {
    if (a.about != about) continue;
    const bool note = a.level == Advice::Level::note;
    std::string mark = note ? "·" : "!";
    if (colour && !note) mark = (a.level == Advice::Level::fatal ? "\x1b[31m" : "\x1b[33m") + mark + "\x1b[0m";
    std::string more = wrapped(visible(a.text), head_columns + 2, width);
    text += more.replace(head_columns, 1, mark);
  }
  return text;
}

std::string closing_line(const std::vector<Advice>& advice) {
  const auto count = [&](Advice::Level level) {
    return std::count_if(advice.begin(), advice.end(), [&](const Advice& a) { return a.level == level; });
  };
  const auto warnings = count(Advice::Level::warning);
  if (count(Advice::Level::fatal) > 0) return "Training is impossible here until what is marked with ! is mended.";
  if (warnings == 0) return "tacet can train here, and nothing is to be mended.";
  return fmt::format("tacet can train here; {} thing{} to mend {} marked with !", warnings, warnings == 1 ? "" : "s",
                     warnings == 1 ? "is" : "are");
}

}  // namespace

std::string doctor_text(const DoctorFacts& f, const std::vector<Advice>& advice, int width, bool colour) {
  const auto columns = static_cast<size_t>(std::max(40, width));
  std::string text = fmt::format("tacet {}, commit {}\n\n", f.versions.tacet, f.versions.commit);
  const std::pair<const char*, std::string> lines[] = {
      {"processor", processor_line(f)}, {"kernels", kernels_line(f)}, {"blas", blas_line(f)},
      {"openmp", openmp_line(f)},       {"memory", memory_line(f)},   {"loopback", loopback_line(f)},
      {"hosts", hosts_line(f)},         {"data", data_line(f)},       {"disk", disk_line(f)}};
  for (const auto& [about, line] : lines) text += part(about, line, advice, columns, colour);
  return text + "\n" + wrapped(closing_line(advice), 0, columns);
}

int cmd_doctor(bool json) {
  const DoctorFacts facts = examine_machine();
  const std::vector<Advice> advice = advice_for(facts);
  const std::string text =
      json ? doctor_json(facts, advice)
           : doctor_text(facts, advice, std::min(terminal_width(STDOUT_FILENO, 100), 120), takes_colour(STDOUT_FILENO));
  std::fputs(text.c_str(), stdout);
  const bool fatal =
      std::any_of(advice.begin(), advice.end(), [](const Advice& a) { return a.level == Advice::Level::fatal; });
  return fatal ? 2 : 0;
}

}  // namespace tacet
