// Arrays of other programs: NumPy's files byte by byte, safetensors, and what a set of them must have.
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "data/files/npy.h"
#include "data/files/safetensors.h"
#include "data/image_fixtures.h"
#include "data/images/images.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet {
namespace {

// A .npy file as numpy.save writes it: the header is filled with spaces to a multiple of 64.
std::string npy(const std::string& descr, const std::string& shape, const std::string& data,
                const std::string& order = "False") {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  header.resize((header.size() + 10 + 1 + 63) / 64 * 64 - 11, ' ');
  header += "\n";
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size() & 255) +
         static_cast<char>(header.size() >> 8) + header + data;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

TEST(Npy, ReadsNumbers) {
  test::TempFolder folder;
  const at::Tensor f = read_npy(folder.write("f", npy("<f4", "(2, 3)", bytes_of<float>({1, 2, 3, 4, 5, 6.5f}))));
  EXPECT_EQ(f.sizes().vec(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(f[1][2].item<float>(), 6.5f);
  const at::Tensor i = read_npy(folder.write("i", npy("<i8", "(2,)", bytes_of<int64_t>({-1, int64_t{1} << 40}))));
  EXPECT_EQ(i[1].item<int64_t>(), int64_t{1} << 40);
  EXPECT_EQ(read_npy(folder.write("b", npy("|u1", "(3,)", "abc")))[2].item<int64_t>(), 'c');
}

TEST(Npy, TellsEveryDefect) {
  test::TempFolder folder;
  const std::string data = bytes_of<float>({1, 2, 3, 4});
  const struct {
    std::string bytes;
    std::vector<std::string> mentions;
  } rows[] = {
      {"", {".npy", "other bytes"}},
      {"PK\x03\x04 a zip file", {"other bytes"}},
      {npy("<f4", "(4,)", data).substr(0, 40), {"cut off inside its header"}},
      {npy("<f4", "(4,)", data).substr(0, 128 + 12), {"must hold 4 numbers", "12 bytes of data"}},
      {npy("<f4", "(4,)", data + "x"), {"must hold 4 numbers", "17 bytes of data"}},
      {npy(">f4", "(4,)", data), {"|u1, <i4", "got >f4"}},
      {npy("<c8", "(2,)", data), {"got <c8"}},
      {npy("<f4", "(2, 2)", data, "True"), {"C order"}},
      {npy("<f4", "(1000000000, 1000000000, 1000000000)", data), {"beyond any file"}},
      {npy("<f4", "(1000000000,)", data), {"1000000000 numbers"}},
  };
  for (const auto& row : rows) {
    const std::string path = folder.write("file", row.bytes);
    const std::string message = test::error_of([&] { read_npy(path); });
    test::expect_mentions(message, row.mentions);
    test::expect_mentions(message, {path});
  }
}

struct ArrayFolder : testing::Test {
  test::TempFolder folder;
  test::Environment data{"TACET_DATA", folder.path()}, home{"HOME", folder.path()};
  void write(const std::string& split, const at::Tensor& images, const at::Tensor& labels, const at::Tensor& users = {}) {
    std::vector<NamedTensor> tensors = {{"images", images}, {"labels", labels}};
    if (users.defined()) tensors.push_back({"users", users});
    std::filesystem::create_directories(folder / "arrays");
    write_safetensors(folder / ("arrays/" + split + ".safetensors"), tensors);
  }
};

TEST_F(ArrayFolder, ReadsSafetensorsWithUsers) {
  const at::Tensor images = at::arange(24, at::kByte).view({4, 2, 3, 1});
  write("train", images, at::tensor({0, 4, 1, 2}, at::kLong), at::tensor({7, 7, 0, 1}, at::kInt));
  write("test", images.narrow(0, 0, 1), at::tensor({3}, at::kLong));
  const auto set = load_images(image_values("arrays"));
  EXPECT_EQ(set->shape.channels, 2);
  EXPECT_EQ(set->shape.height, 3);
  EXPECT_EQ(set->shape.width, 1);
  EXPECT_EQ(set->shape.classes, 5);
  EXPECT_EQ(set->train.users, (std::vector<int32_t>{7, 7, 0, 1}));
  std::vector<float> pixels(6);
  set->train.read(2, pixels.data(), nullptr);
  EXPECT_FLOAT_EQ(pixels[5], 17 / 255.0f);
}

// Vectors count as one row of pixels; numbers that are no bytes are taken as they are, and normalised by their own mean 1
// and deviation 1: of 0 and 2 in equal parts.
TEST_F(ArrayFolder, ReadsNumpyVectors) {
  for (const char* split : {"train", "test"}) {
    folder.write(std::string("arrays/") + split + "_images.npy", npy("<f8", "(2, 2)", bytes_of<double>({0, 2, 2, 0})));
    folder.write(std::string("arrays/") + split + "_labels.npy", npy("<i4", "(2,)", bytes_of<int32_t>({0, 1})));
  }
  const auto set = load_images(image_values("arrays"));
  EXPECT_EQ(set->shape.width, 2);
  const at::Tensor x = image_batch(set->train, set->shape, {1}, {.mean = set->mean, .deviation = set->deviation}, nullptr);
  EXPECT_FLOAT_EQ(x[0][0][0][0].item<float>(), 1);
  EXPECT_FLOAT_EQ(x[0][0][0][1].item<float>(), -1);
}

TEST_F(ArrayFolder, SaysWhatIsWrong) {
  const at::Tensor images = at::zeros({2, 3, 3});
  const auto complain = [&] { return test::error_of([] { load_images(image_values("arrays")); }); };
  write("test", images, at::tensor({0, 1}, at::kLong));
  write("train", images, at::tensor({0, 1, 2}, at::kLong));
  test::expect_mentions(complain(), {"train.safetensors", "labels", "one for each of the 2 images"});
  write("train", images, at::tensor({0, -1}, at::kLong));
  test::expect_mentions(complain(), {"labels", ">= 0, got -1 for image 1"});
  write("train", images, at::tensor({0.0, 1.0}, at::kDouble));
  test::expect_mentions(complain(), {"whole numbers"});
  write("train", at::zeros({2}), at::tensor({0, 1}, at::kLong));
  test::expect_mentions(complain(), {"2, 3 or 4 dimensions, got 1"});
  write("train", at::zeros({2, 4, 4}), at::tensor({0, 1}, at::kLong));
  test::expect_mentions(complain(), {"test images", "size of the training images"});
  write("train", images, at::tensor({0, 0}, at::kLong));
  write("test", images, at::tensor({0, 2}, at::kLong));
  test::expect_mentions(complain(), {"test.safetensors", "0 … 1", "got 2 for image 1"});
}

}  // namespace
}  // namespace tacet
