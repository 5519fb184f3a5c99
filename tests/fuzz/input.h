// Hands the fuzzer's bytes to a reader that takes a path, through a file in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "tacet/error.h"

namespace tacet::test {

class InputFile {
 public:
  InputFile(const uint8_t* data, size_t size) : file_(memfd_create("input", 0)) {
    while (size > 0) {
      const ssize_t n = write(file_, data, size);
      if (n <= 0) break;
      data += n;
      size -= static_cast<size_t>(n);
    }
  }
  ~InputFile() { close(file_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

// The reader may succeed or throw UserError with a text; anything else ends the fuzzer.
template <class Read>
int expect_answer(const Read& read) {
  try {
    read();
  } catch (const UserError& error) {
    if (std::string(error.what()).empty()) __builtin_trap();
  }
  return 0;
}

}  // namespace tacet::test
