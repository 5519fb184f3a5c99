// See claims.h.
#include "sweep/claims.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/system_random.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// Returns a mark of the machine, its boot and its space of process numbers: where it is equal, process numbers mean the
// same.
std::string this_place() {
  std::error_code ignored;
  return first_line("/proc/sys/kernel/random/boot_id") + " " + fs::read_symlink("/proc/self/ns/pid", ignored).string();
}

// Returns the moment at which a process began, in the system's ticks; empty where there is no such process. A number that
// was given to another process so tells itself.
std::string begin_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(in, text);
  const size_t end = text.rfind(')');  // the name before it may hold anything
  if (end == std::string::npos) return "";
  std::istringstream fields(text.substr(end + 1));
  std::string field;
  fields >> field;
  if (field == "Z" || field == "X") return "";
  constexpr int begin_field = 22, state_field = 3;
  for (int k = state_field; k < begin_field; ++k) fields >> field;
  return field;
}

json process(pid_t pid) { return {{"pid", pid}, {"begin", begin_of(pid)}}; }

// Returns true if the process that a claim tells of still runs here.
bool runs_here(const json& claim, const char* key) {
  const auto found = claim.find(key);
  if (found == claim.end() || !found->is_object()) return false;
  const auto pid = found->value("pid", pid_t{0});
  return pid > 0 && begin_of(pid) == found->value("begin", "") && !begin_of(pid).empty();
}

std::string whole_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

Claims::Claims(std::string folder, double lost_after)
    : folder_(std::move(folder)),
      lost_after_(lost_after),
      place_(this_place()),
      token_(std::to_string(system_random_word())) {}

std::string Claims::file(const std::string& point, int number) const {
  return folder_ + "/" + point + "." + std::to_string(number);
}

int Claims::newest(const std::string& point) const {
  int number = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(point + ".")) continue;
    const std::string rest = name.substr(point.size() + 1);
    if (!rest.empty() && rest.size() < 9 && rest.find_first_not_of("0123456789") == std::string::npos)
      number = std::max(number, std::stoi(rest));
  }
  return number;
}

std::string Claims::text(pid_t run) {
  const json value = {{"place", place_},
                      {"token", token_},
                      {"beat", ++beats_},
                      {"lost_after", lost_after_},
                      {"sweep", process(::getpid())},
                      {"run", run > 0 ? process(run) : json(nullptr)}};
  return value.dump() + "\n";
}

bool Claims::create(const std::string& point, int number) {
  const std::string path = file(point, number);
  const Fd made(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (made.get() < 0 && errno == EEXIST) return false;
  if (made.get() < 0 || !write_all(made.get(), text(0)))
    throw WriteError(path + ": can't be written: " + std::strerror(errno));
  return true;
}

bool Claims::is_lost(const std::string& point, int number, std::string& text) {
  text = whole_text(file(point, number));
  Seen& seen = seen_[point];
  if (seen.number != number || seen.text != text) seen = {number, text, Clock::now()};
  const json claim = json::parse(text, nullptr, false);
  const bool whole = claim.is_object();
  if (whole && claim.value("place", "") == place_) return !runs_here(claim, "sweep") && !runs_here(claim, "run");
  return since(seen.since) > std::max(lost_after_, whole ? claim.value("lost_after", 0.0) : 0.0);
}

std::optional<PointClaim> Claims::take(const std::string& point) {
  const int before = newest(point);
  std::string text;
  if (before > 0 && !is_lost(point, before, text)) return {};
  const int number = before + 1;
  if (!create(point, number)) return {};
  // Another process may have ended or taken the claim since it was looked at.
  const bool same = before == 0 || whole_text(file(point, before)) == text;
  if (!same || newest(point) != number) {
    std::error_code ignored;
    fs::remove(file(point, number), ignored);
    return {};
  }
  return PointClaim{point, number, before > 0};
}

bool Claims::beat(const PointClaim& claim, pid_t run) {
  if (newest(claim.point) > claim.number || !is_own(claim)) return false;
  write_atomically(file(claim.point, claim.number), text(run));
  return true;
}

// Returns true if the claim's file is the one that this process has written. A process that was held up may find it gone,
// or a later claim of the same number in its place.
bool Claims::is_own(const PointClaim& claim) const {
  const json text = json::parse(whole_text(file(claim.point, claim.number)), nullptr, false);
  return text.is_object() && text.value("token", "") == token_;
}

void Claims::release(const PointClaim& claim) {
  if (is_own(claim)) remove(claim);
}

// Removes the claim and those before it.
void Claims::remove(const PointClaim& claim) const {
  std::error_code ignored;
  for (int number = 1; number <= claim.number; ++number) {
    fs::remove(recipe({claim.point, number}), ignored);
    fs::remove(file(claim.point, number) + ".part", ignored);  // of a heartbeat whose writer was killed
    fs::remove(file(claim.point, number), ignored);
  }
}

void Claims::clear(const std::string& point) {
  std::string text;
  if (const int number = newest(point); number > 0 && is_lost(point, number, text)) remove({point, number});
}

std::string Claims::recipe(const PointClaim& claim) const { return file(claim.point, claim.number) + ".toml"; }

}  // namespace tacet
