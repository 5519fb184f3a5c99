// The parts that the two ends of the rendezvous share: messages as bytes, addresses. Only client.cc and server.cc include
// it. The protocol is described in store.h.
#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/files.h"
#include "tacet/error.h"

namespace tacet::store_wire {

inline const std::string kHello = "tacetS1?";
inline const std::string kWelcome = "tacetS1!";
// The greetings with a join token.
inline const std::string kTokenHello = "tacetT1?";
inline const std::string kTokenWelcome = "tacetT1!";
inline const std::string kTokenNeeded = "tacetTN!";   // the client gave no proof
inline const std::string kTokenUnknown = "tacetTU!";  // the server has no token to check one
inline const std::string kTokenWrong = "tacetTW!";    // the proof was made with another token

enum Operation : uint8_t { kSet = 1, kGet, kAdd, kCompareSet, kRemove, kCheck, kCount, kWait, kWill };
enum Status : uint8_t { kDone = 0, kTimedOut = 1, kRefused = 2 };

inline void put_string(std::string& out, const std::string& text) {
  put(out, static_cast<uint32_t>(text.size()));
  out += text;
}

inline void put_keys(std::string& out, const std::vector<std::string>& keys) {
  put(out, static_cast<uint32_t>(keys.size()));
  for (const auto& key : keys) put_string(out, key);
}

// Takes numbers and strings off the front of a message. Each returns nothing when the message is too short or a string too
// long.
class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}

  template <typename T>
  std::optional<T> number() {
    if (bytes_.size() - at_ < sizeof(T)) return std::nullopt;
    at_ += sizeof(T);
    return value_at<T>(bytes_.data() + at_ - sizeof(T));
  }

  std::optional<std::string> string(size_t longest) {
    const auto n = number<uint32_t>();
    if (!n || *n > longest || *n > bytes_.size() - at_) return std::nullopt;
    at_ += *n;
    return bytes_.substr(at_ - *n, *n);
  }

  std::optional<std::vector<std::string>> keys(size_t longest) {
    const auto n = number<uint32_t>();
    if (!n || *n > (bytes_.size() - at_) / sizeof(uint32_t)) return std::nullopt;
    std::vector<std::string> all;
    for (uint32_t k = 0; k < *n; ++k) {
      auto key = string(longest);
      if (!key) return std::nullopt;
      all.push_back(std::move(*key));
    }
    return all;
  }

  bool at_end() const { return at_ == bytes_.size(); }

 private:
  const std::string& bytes_;
  size_t at_ = 0;
};

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

// Returns the addresses of a name. Throws UserError when it has none.
inline Addresses resolve(const std::string& address, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0) {
    throw UserError("rendezvous address must be a host name or a numeric address, got '" + address +
                    "': " + ::gai_strerror(error));
  }
  return Addresses(found, &::freeaddrinfo);
}

inline std::string place(const std::string& address, int port) { return address + ":" + std::to_string(port); }

}  // namespace tacet::store_wire
