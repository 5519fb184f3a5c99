// Decodes whatever the fuzzer makes as a picture of any format, whole and as a random crop.
#include "data/files/picture.h"
#include "fuzz/input.h"

#include <vector>

int fuzz_picture(const uint8_t* data, size_t size) {
  const tacet::test::InputFile file(data, size);
  std::vector<uint8_t> out(3 * 32 * 32);
  const tacet::PictureCrop crop{.side = 32};
  tacet::test::expect_answer([&] { tacet::read_picture(file.path(), crop, nullptr, out.data()); });
  tacet::Stream random(1, 0, tacet::Purpose::augmentation, 0, 0);
  return tacet::test::expect_answer([&] { tacet::read_picture(file.path(), crop, &random, out.data()); });
}
