// Reads whatever the fuzzer makes as records of CIFAR-10, and every image of them.
#include "data/images/cifar.h"
#include "fuzz/input.h"

int fuzz_cifar(const uint8_t* data, size_t size) {
  const tacet::test::InputFile file(data, size);
  return tacet::test::expect_answer([&] {
    const tacet::ImageSplit split = tacet::read_cifar({file.path()}, {.records = 0});
    std::vector<float> pixels(3 * 32 * 32);
    for (int64_t i = 0; i < split.size(); ++i) split.read(i, pixels.data(), nullptr);
  });
}
