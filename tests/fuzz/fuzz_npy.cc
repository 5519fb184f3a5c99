// Reads whatever the fuzzer makes as a NumPy array file.
#include "data/files/npy.h"
#include "fuzz/input.h"

int fuzz_npy(const uint8_t* data, size_t size) {
  const tacet::test::InputFile file(data, size);
  return tacet::test::expect_answer([&] { tacet::read_npy(file.path()); });
}
