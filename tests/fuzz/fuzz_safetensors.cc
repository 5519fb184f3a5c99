// Reads whatever the fuzzer makes as a safetensors file.
#include "data/files/safetensors.h"
#include "fuzz/input.h"

int fuzz_safetensors(const uint8_t* data, size_t size) {
  const tacet::test::InputFile file(data, size);
  return tacet::test::expect_answer([&] { tacet::read_safetensors(file.path()); });
}
