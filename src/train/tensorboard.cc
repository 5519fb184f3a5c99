// See tensorboard.h. A record has its length (8 bytes), the length's masked CRC-32C (4), the event, and the event's masked
// CRC-32C (4).
#include "train/tensorboard.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <utility>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "tensorboard.pb.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

template <class Number>
std::string little_endian(Number n) {
  std::string bytes;
  for (size_t k = 0; k < sizeof n; ++k) bytes += static_cast<char>(n >> (8 * k));
  return bytes;
}

std::string record(const tensorboard::Event& event) {
  const std::string bytes = event.SerializeAsString();
  const std::string length = little_endian(static_cast<uint64_t>(bytes.size()));
  return length + little_endian(masked(crc32c(length))) + bytes + little_endian(masked(crc32c(bytes)));
}

tensorboard::Event head() {
  tensorboard::Event event;
  event.set_wall_time(now());
  event.set_file_version("brain.Event:2");
  return event;
}

// Returns the event by which a TensorBoard that has read the older files forgets them.
tensorboard::Event start_anew() {
  tensorboard::Event event;
  event.set_wall_time(now());
  event.mutable_session_log()->set_status(1);
  return event;
}

// The times at which points were written, by step and by the first part of their tags.
using Times = std::map<std::pair<int64_t, std::string>, double>;

tensorboard::Event event_of(const nlohmann::json& line, const Times& times) {
  tensorboard::Event event;
  const std::string kind = line.value("event", "run");
  event.set_step(line.value("iteration", int64_t{0}));
  const auto written = times.find({event.step(), kind});
  event.set_wall_time(written == times.end() ? now() : written->second);
  for (const auto& [key, value] : line.items()) {
    if (!value.is_number() || key == "iteration") continue;
    auto* v = event.mutable_summary()->add_value();
    v->set_tag(kind + "/" + key);
    v->set_simple_value(value.get<float>());
  }
  return event;
}

std::vector<fs::path> event_files(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// Adds the times of a file's points, up to the first record that is cut or no event.
void read_times(const fs::path& path, Times& times) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  constexpr size_t before = 12, behind = 4;
  for (size_t at = 0; at + before + behind <= bytes.size();) {
    uint64_t size = 0;
    std::memcpy(&size, bytes.data() + at, sizeof size);
    if (size > bytes.size() - at - before - behind) return;
    tensorboard::Event event;
    if (!event.ParseFromArray(bytes.data() + at + before, static_cast<int>(size))) return;
    at += before + size + behind;
    if (event.summary().value_size() == 0) continue;
    const std::string tag = event.summary().value(0).tag();
    times[{event.step(), tag.substr(0, tag.find('/'))}] = event.wall_time();
  }
}

}  // namespace

uint32_t crc32c(const std::string& bytes) {
  static const auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t n = 0; n < 256; ++n) {
      uint32_t c = n;
      for (int k = 0; k < 8; ++k) c = c & 1 ? 0x82f63b78u ^ (c >> 1) : c >> 1;
      t[n] = c;
    }
    return t;
  }();
  uint32_t crc = 0xffffffffu;
  for (const char b : bytes) crc = table[(crc ^ static_cast<unsigned char>(b)) & 0xff] ^ (crc >> 8);
  return crc ^ 0xffffffffu;
}

TensorBoardLog::TensorBoardLog(const std::string& folder, const std::vector<std::string>& lines) {
  const std::vector<fs::path> before = event_files(folder);
  Times times;
  for (const fs::path& file : before) read_times(file, times);
  const std::string name =
      "events.out.tfevents." + std::to_string(static_cast<int64_t>(now())) + ".tacet." + std::to_string(::getpid());
  std::string bytes = record(head());
  if (!before.empty()) bytes += record(start_anew());
  for (const std::string& text : lines) {
    const nlohmann::json line = nlohmann::json::parse(text, nullptr, false);
    if (line.is_object()) bytes += record(event_of(line, times));
  }
  // TensorBoard reads every file whose name has "tfevents", so the file aside has another one.
  const std::string path = (fs::path(folder) / name).string();
  AtomicFile file(path, (fs::path(folder) / ("events-" + std::to_string(::getpid()) + ".part")).string());
  file.write(bytes);
  file.commit();
  std::error_code ignored;
  for (const fs::path& old : before)
    if (old.filename() != name) fs::remove(old, ignored);
  out_.open(path, std::ios::binary | std::ios::app);
}

void TensorBoardLog::write(const nlohmann::json& line) {
  if (!out_.is_open()) return;
  out_ << record(event_of(line, {}));
  out_.flush();
}

}  // namespace tacet
