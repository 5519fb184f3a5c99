// Reads whatever the fuzzer makes as an IDX file, plain or gzip.
#include "data/files/idx.h"
#include "fuzz/input.h"

int fuzz_idx(const uint8_t* data, size_t size) {
  const tacet::test::InputFile file(data, size);
  return tacet::test::expect_answer([&] { tacet::read_idx(file.path(), 1 + static_cast<int>(size % 3)); });
}
