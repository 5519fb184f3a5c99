// See tensorboard.h. A record has its length (8 bytes), the length's masked CRC-32C (4), the event, and the event's masked
// CRC-32C (4).
#include "train/tensorboard.h"

#include <array>
#include <chrono>
#include <cstring>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tensorboard.pb.h"

namespace tacet {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

template <class Number>
std::string little_endian(Number n) {
  std::string bytes;
  for (size_t k = 0; k < sizeof n; ++k) bytes += static_cast<char>(n >> (8 * k));
  return bytes;
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

TensorBoardLog::TensorBoardLog(const std::string& folder)
    : out_(folder + "/events.out.tfevents." + std::to_string(static_cast<int64_t>(now())) + ".tacet." +
               std::to_string(::getpid()),
           std::ios::binary) {
  tensorboard::Event first;
  first.set_wall_time(now());
  first.set_file_version("brain.Event:2");
  record(first.SerializeAsString());
}

void TensorBoardLog::record(const std::string& bytes) {
  const std::string length = little_endian(static_cast<uint64_t>(bytes.size()));
  out_ << length << little_endian(masked(crc32c(length))) << bytes << little_endian(masked(crc32c(bytes)));
  out_.flush();
}

void TensorBoardLog::write(const nlohmann::json& line) {
  if (!out_.is_open()) return;
  tensorboard::Event event;
  event.set_wall_time(now());
  event.set_step(line.value("iteration", int64_t{0}));
  const std::string prefix = line.value("event", "run") + "/";
  for (const auto& [key, value] : line.items()) {
    if (!value.is_number() || key == "iteration") continue;
    auto* v = event.mutable_summary()->add_value();
    v->set_tag(prefix + key);
    v->set_simple_value(value.get<float>());
  }
  record(event.SerializeAsString());
}

}  // namespace tacet
