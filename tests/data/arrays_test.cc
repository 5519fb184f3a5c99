// Arrays of other programs: NumPy's files byte by byte, safetensors, and what a set of them must have.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/files/npy.h"
#include "data/files/safetensors.h"
#include "data/image_fixtures.h"
#include "data/images/images.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/python_script.h"
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

// Each row holds the numbers 0, 1, 1 and 1, or 0, 1, 2 and 3 where the type has them.
TEST(Npy, ReadsEveryTypeOfNumbersInEitherOrder) {
  test::TempFolder folder;
  const struct {
    const char* descr;
    std::string bytes;
  } rows[] = {
      {"|b1", {0, 1, 2, static_cast<char>(255)}},
      {"|i1", {0, 1, 2, 3}},
      {"|u1", {0, 1, 2, 3}},
      {"<i2", bytes_of<int16_t>({0, 1, 2, 3})},
      {"<u2", bytes_of<uint16_t>({0, 1, 2, 3})},
      {"<u4", bytes_of<uint32_t>({0, 1, 2, 3})},
      {"<u8", bytes_of<uint64_t>({0, 1, 2, 3})},
      {"<f2", bytes_of<uint16_t>({0, 0x3c00, 0x4000, 0x4200})},
      {"<f8", bytes_of<double>({0, 1, 2, 3})},
      {">i2", {0, 0, 0, 1, 0, 2, 0, 3}},
      {">i4", {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}},
      {">f4", {0, 0, 0, 0, 0x3f, '\x80', 0, 0, 0x40, 0, 0, 0, 0x40, 0x40, 0, 0}},
  };
  for (const auto& row : rows) {
    const bool truth = row.descr[1] == 'b';
    const std::vector<double> want = truth ? std::vector<double>{0, 1, 1, 1} : std::vector<double>{0, 1, 2, 3};
    const at::Tensor t = read_npy(folder.write("f", npy(row.descr, "(2, 2)", row.bytes))).to(at::kDouble);
    EXPECT_EQ(std::vector<double>(t.data_ptr<double>(), t.data_ptr<double>() + 4), want) << row.descr;
    const at::Tensor f = read_npy(folder.write("f", npy(row.descr, "(2, 2)", row.bytes, "True"))).to(at::kDouble);
    EXPECT_EQ(f[0][1].item<double>(), want[2]) << row.descr << " in Fortran order";
    EXPECT_EQ(f[1][0].item<double>(), want[1]) << row.descr << " in Fortran order";
    EXPECT_TRUE(f.is_contiguous());
  }
  const uint16_t high = 65535;
  EXPECT_EQ(read_npy(folder.write("h", npy("<u2", "(1,)", bytes_of<uint16_t>({high})))).item<int64_t>(), 65535);
}

TEST(Npy, ReadsHeadersOfPython2) {
  test::TempFolder folder;
  const at::Tensor t = read_npy(folder.write("f", npy("<i4", "(2L, 1L, 2L)", bytes_of<int32_t>({1, 2, 3, 4}))));
  EXPECT_EQ(t.sizes().vec(), (std::vector<int64_t>{2, 1, 2}));
  EXPECT_EQ(t[1][0][1].item<int64_t>(), 4);
  EXPECT_EQ(read_npy(folder.write("f", npy("<i4", "(2L,)", bytes_of<int32_t>({1, 2})))).size(0), 2);
}

// write_arrays.py writes arrays as NumPy does, and their numbers in C order as float64.
TEST(Npy, ReadsWhatNumPyWrites) {
  test::TempFolder folder;
  const int code = test::run_python(PROJECT_FOLDER "/tests/data/write_arrays.py", folder.path());
  if (code == test::kModuleMissing) GTEST_SKIP() << "NumPy is not installed for /usr/bin/python3";
  ASSERT_EQ(code, 0);
  int read = 0;
  for (; std::filesystem::exists(folder / (std::to_string(read) + ".npy")); ++read) {
    SCOPED_TRACE(read);
    const at::Tensor t = read_npy(folder / (std::to_string(read) + ".npy"));
    const at::Tensor want = read_npy(folder / ("want" + std::to_string(read) + ".npy"));
    EXPECT_EQ(t.sizes().vec(), want.sizes().vec());
    EXPECT_TRUE(at::equal(t.to(at::kDouble), want));
  }
  EXPECT_GE(read, 100);
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
      {npy("<c8", "(2,)", data), {"|u1, <i4", "got <c8"}},
      {npy("|O", "(2,)", data), {"got |O"}},
      {npy("<U4", "(1,)", data), {"got <U4"}},
      {npy("<f16", "(1,)", data), {"got <f16"}},
      {npy("<u8", "(2,)", std::string(16, '\xff')), {"below 2^63", "number 0 is 18446744073709551615"}},
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
  test::expect_mentions(complain(), {"labels", "whole numbers from 0", "got -1 for image 1"});
  write("train", images, at::tensor({0.0, 1.5}, at::kDouble));
  test::expect_mentions(complain(), {"whole numbers", "got 1.5 for image 1", "float64 [2]"});
  write("train", images, at::tensor({0.0, std::nan("")}, at::kDouble));
  test::expect_mentions(complain(), {"whole numbers", "got nan for image 1"});
  write("train", at::zeros({2}), at::tensor({0, 1}, at::kLong));
  test::expect_mentions(complain(), {"2, 3 or 4 dimensions, got 1"});
  write("train", at::zeros({2, 4, 4}), at::tensor({0, 1}, at::kLong));
  test::expect_mentions(complain(), {"test images", "size of the training images"});
  write("train", images, at::tensor({0, 0}, at::kLong));
  write("test", images, at::tensor({0, 2}, at::kLong));
  test::expect_mentions(complain(),
                        {folder / "arrays", "test images must be 0 … 0, as of the training images", "got 2 for image 1"});
}

// The layouts that other programs give labels in, for four images.
TEST_F(ArrayFolder, LabelsAreReadWhereTheyCannotBeMistaken) {
  const at::Tensor images = at::zeros({4, 3, 3}), plain = at::tensor({0, 1, 2, 1}, at::kLong);
  write("test", images, plain);
  for (const at::Tensor& labels :
       {plain, plain.view({4, 1}), plain.view({1, 4}), plain.to(at::kFloat), plain.to(at::kDouble).view({4, 1}),
        plain.to(at::kShort), plain.to(at::kByte), plain.to(at::kHalf)}) {
    write("train", images, labels);
    EXPECT_EQ(load_images(image_values("arrays"))->train.labels, (std::vector<int32_t>{0, 1, 2, 1}));
  }
}

// Messages name the labels' own file with its type and shape.
TEST_F(ArrayFolder, LabelsOfAnotherShapeAreAnErrorOfTheirFile) {
  for (const char* split : {"train", "test"}) {
    folder.write(std::string("arrays/") + split + "_images.npy", npy("<f4", "(2, 2)", bytes_of<float>({0, 2, 2, 0})));
    folder.write(std::string("arrays/") + split + "_labels.npy", npy("<f4", "(2, 3)", bytes_of<float>({0, 1, 0, 1, 0, 0})));
  }
  const auto complain = [&] { return test::error_of([] { load_images(image_values("arrays")); }); };
  test::expect_mentions(complain(),
                        {"train_labels.npy", "2 images (float32 [2, 2])", "got float32 [2, 3]", "one-hot", "argmax"});
  folder.write("arrays/train_labels.npy", npy("<i8", "(3,)", bytes_of<int64_t>({0, 1, 0})));
  test::expect_mentions(complain(), {"train_labels.npy", "each of the 2 images", "got int64 [3]"});
}

TEST_F(ArrayFolder, ChannelsThatComeLastAreRefusedWithTheMend) {
  const at::Tensor labels = at::tensor({0, 1}, at::kLong);
  const struct {
    std::vector<int64_t> shape;
    bool last;
  } rows[] = {{{2, 64, 64, 13}, true}, {{2, 12, 12, 3}, true}, {{2, 28, 28, 1}, true},  {{2, 10, 12, 3}, true},
              {{2, 4, 4, 3}, true},    {{2, 9, 7, 4}, true},   {{2, 3, 12, 12}, false}, {{2, 1, 28, 28}, false},
              {{2, 3, 32, 3}, false},  {{2, 2, 3, 1}, false},  {{2, 1, 1, 4}, false},   {{2, 3, 3, 3}, false},
              {{2, 64, 8, 8}, false}};
  for (const auto& row : rows) {
    SCOPED_TRACE(fmt::format("{}", fmt::join(row.shape, " × ")));
    for (const char* split : {"train", "test"}) write(split, at::zeros(row.shape), labels);
    const std::string message = test::error_of([] { load_images(image_values("arrays")); });
    if (row.last)
      test::expect_mentions(
          message, {"train.safetensors", "[n, C, H, W]", "looks like [n, H, W, C]", "(0, 3, 1, 2)", "float32 [2, "});
    else
      EXPECT_EQ(message, "");
  }
}

TEST_F(ArrayFolder, NumbersThatAreNotFiniteAreAnErrorOfTheirImage) {
  const at::Tensor labels = at::tensor({0, 1, 0, 1}, at::kLong);
  for (const char* split : {"train", "test"})
    for (const double odd : {std::nan(""), double{INFINITY}, -double{INFINITY}, 1e300})
      for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
        SCOPED_TRACE(fmt::format("{} {}", split, odd));
        const at::Tensor good = at::ones({4, 2, 3}, at::kDouble), bad = good.clone();
        bad[2][1][0] = odd;
        write("train", good, labels);
        write("test", good, labels);
        EXPECT_EQ(test::error_of([] { load_images(image_values("arrays")); }), "");
        write(split, bad.to(type), labels);
        test::expect_mentions(
            test::error_of([] { load_images(image_values("arrays")); }),
            {std::string(split) + ".safetensors", "image 2 ", "number 3", std::isnan(odd) ? "nan" : "inf"});
      }
  // Large numbers, whose sum is not finite, are no error.
  write("train", at::full({4, 2, 3}, 3e38), labels);
  write("test", at::ones({4, 2, 3}), labels);
  EXPECT_EQ(test::error_of([] { load_images(image_values("arrays")); }), "");
}

TEST_F(ArrayFolder, ATensorOfAnotherNameIsAnError) {
  const at::Tensor images = at::zeros({2, 3, 3}), labels = at::tensor({0, 1}, at::kLong);
  std::filesystem::create_directories(folder / "arrays");
  for (const char* name : {"ids", "weights", "Users", "image"}) {
    for (const char* split : {"train", "test"})
      write_safetensors(folder / ("arrays/" + std::string(split) + ".safetensors"),
                        {{"images", images}, {"labels", labels}, {"users", labels}, {name, labels}});
    test::expect_mentions(test::error_of([] { load_images(image_values("arrays")); }),
                          {"train.safetensors", "images, labels and perhaps users", name});
  }
}

TEST_F(ArrayFolder, TwoFormsOfOneSplitAreAnError) {
  write("train", at::zeros({2, 3, 3}), at::tensor({0, 1}, at::kLong));
  folder.write("arrays/train_images.npy", npy("<f4", "(2, 2)", bytes_of<float>({0, 2, 2, 0})));
  test::expect_mentions(test::error_of([] { load_images(image_values("arrays")); }),
                        {"train.safetensors", "beside", "train_images.npy"});
}

// train_users.npy was left out, and with it the partition by users that it was made for.
TEST_F(ArrayFolder, AnyNumpyFileBesideSafetensorsIsAnError) {
  for (const char* split : {"train", "test"}) write(split, at::zeros({2, 3, 3}), at::tensor({0, 1}, at::kLong));
  for (const char* stray : {"train_users.npy", "train_labels.npy", "test_users.npy"}) {
    folder.write(std::string("arrays/") + stray, npy("<i4", "(2,)", bytes_of<int32_t>({0, 1})));
    test::expect_mentions(test::error_of([&] { load_images(image_values("arrays")); }), {"must not lie beside", stray});
    std::filesystem::remove(folder / (std::string("arrays/") + stray));
  }
}

// The user's validation images were not read, and the test images selected instead.
TEST_F(ArrayFolder, ValidationImagesAreReadAndSelect) {
  const at::Tensor images = at::arange(36, at::kFloat).view({4, 3, 3}), labels = at::tensor({0, 1, 1, 0}, at::kLong);
  write("train", images, labels);
  write("test", images, labels);
  EXPECT_EQ(load_images(image_values("arrays"))->valid.size(), 0);
  for (const char* name : {"valid", "val", "validation"}) {
    write(name, images.narrow(0, 1, 2), labels.narrow(0, 1, 2));
    const auto set = load_images(image_values("arrays"));
    EXPECT_EQ(set->valid.labels, (std::vector<int32_t>{1, 1})) << name;
    std::vector<float> pixels(9);
    set->valid.read(1, pixels.data(), nullptr);
    EXPECT_EQ(pixels[0], 18);          // image 2 of the training images begins with 2 · 9
    EXPECT_EQ(set->files.size(), 6u);  // images and labels of three splits
    test::expect_mentions(test::error_of([&] {
                            load_images(image_values("arrays", {{"valid", int64_t{1}}}));
                          }),
                          {"data.valid must be 0", "got 1"});
    std::filesystem::remove(folder / ("arrays/" + std::string(name) + ".safetensors"));
  }
}

TEST_F(ArrayFolder, ValidationImagesThatDoNotFitAreErrors) {
  const at::Tensor images = at::zeros({2, 3, 3}), labels = at::tensor({0, 1}, at::kLong);
  for (const char* split : {"train", "test", "valid"}) write(split, images, labels);
  const auto complain = [&] { return test::error_of([] { load_images(image_values("arrays")); }); };
  write("val", images, labels);
  test::expect_mentions(complain(), {"one split of validation images", "has valid and val"});
  std::filesystem::remove(folder / "arrays/val.safetensors");
  write("valid", at::zeros({2, 4, 4}), labels);
  test::expect_mentions(complain(), {"valid.safetensors", "validation images must have the size"});
  write("valid", images, at::tensor({0, 2}, at::kLong));
  test::expect_mentions(complain(), {"the labels of validation images must be 0 … 1", "got 2 for image 1"});
  std::filesystem::remove(folder / "arrays/valid.safetensors");
  folder.write("arrays/valid_labels.npy", npy("<i4", "(2,)", bytes_of<int32_t>({0, 1})));
  test::expect_mentions(complain(), {"valid_images.npy"});
}

TEST_F(ArrayFolder, ClassesWithoutTrainingImagesAreTold) {
  const at::Tensor images = at::arange(27, at::kFloat).view({3, 3, 3});
  write("train", images, at::tensor({1, 3, 3}, at::kLong));
  write("test", images, at::tensor({1, 1, 3}, at::kLong));
  EXPECT_EQ(load_images(image_values("arrays"))->notes,
            (std::vector<std::string>{"2 of 4 classes have no training images: 0, 2"}));
  write("train", images, at::tensor({1, 0, 3}, at::kLong));
  EXPECT_EQ(load_images(image_values("arrays"))->notes,
            (std::vector<std::string>{"1 of 4 classes has no training images: 2"}));
}

// A deviation of 0 would make a test image's inputs infinite, and a tiny one huge.
TEST_F(ArrayFolder, AConstantChannelIsToldAndItsDeviationIsOne) {
  for (const char* split : {"train", "test"}) write(split, at::full({2, 3, 3}, 7.0f), at::tensor({0, 1}, at::kLong));
  const auto set = load_images(image_values("arrays"));
  EXPECT_EQ(set->deviation, std::vector<double>{1});
  EXPECT_EQ(set->notes,
            (std::vector<std::string>{"channel 0 of the training images is constant (7): its deviation is taken as 1"}));
}

// A wide map of four columns looks like [n, H, W, C].
TEST_F(ArrayFolder, ChannelsFirstSaysThatTheyAre) {
  const at::Tensor images = at::arange(2 * 8 * 6 * 4, at::kFloat).view({2, 8, 6, 4});
  for (const char* split : {"train", "test"}) write(split, images, at::tensor({0, 1}, at::kLong));
  test::expect_mentions(test::error_of([] { load_images(image_values("arrays")); }), {"data.channels_first = true"});
  EXPECT_EQ(load_images(image_values("arrays", {{"channels_first", true}}))->shape.channels, 8);
}

}  // namespace
}  // namespace tacet
