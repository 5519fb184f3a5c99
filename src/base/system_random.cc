// Implements system_random.h.
#include "base/system_random.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include <sys/random.h>

namespace tacet {

void fill_system_random(void* out, size_t bytes) {
  auto* at = static_cast<std::byte*>(out);
  while (bytes > 0) {
    const ssize_t got = getrandom(at, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw std::runtime_error(std::string("getrandom: ") + std::strerror(errno));
    at += got;
    bytes -= static_cast<size_t>(got);
  }
}

uint64_t system_random_word() {
  uint64_t word = 0;
  fill_system_random(&word, sizeof word);
  return word;
}

}  // namespace tacet
