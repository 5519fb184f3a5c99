// CIFAR's binary version: records, planes, labels, several files in a row, and what is refused. With $TACET_DATA also the
// real files, as far as they are there.
#include <gtest/gtest.h>

#include <cstdlib>

#include <ATen/ATen.h>

#include "data/image_fixtures.h"
#include "data/images/cifar.h"
#include "data/images/images.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet {
namespace {

constexpr int pixels = 3 * 32 * 32;

// n records whose labels count from `first` and whose bytes are a function of record and place.
int byte_of(int record, int k) { return (record * 7 + k * 3) % 256; }
std::string records(int n, int first, int label_bytes = 1) {
  std::string bytes;
  for (int i = first; i < first + n; ++i) {
    if (label_bytes == 2) bytes += static_cast<char>(99);  // the coarse label, not read
    bytes += static_cast<char>(i % 10);
    for (int k = 0; k < pixels; ++k) bytes += static_cast<char>(byte_of(i, k));
  }
  return bytes;
}

CifarFormat any(int label_bytes = 1, int64_t classes = 10) {
  return {.label_bytes = label_bytes, .classes = classes, .records = 0};
}

TEST(Cifar, ReadsFilesInARow) {
  test::TempFolder folder;
  for (const int label_bytes : {1, 2}) {
    const auto split = read_cifar(
        {folder.write("a", records(3, 0, label_bytes)), folder.write("b", records(4, 3, label_bytes))}, any(label_bytes));
    ASSERT_EQ(split.size(), 7);
    std::vector<float> out(pixels);
    for (int i = 0; i < 7; ++i) {
      EXPECT_EQ(split.labels[static_cast<size_t>(i)], i);
      split.read(i, out.data(), nullptr);
      for (const int k : {0, 1, 1024, 2048, pixels - 1})
        EXPECT_FLOAT_EQ(out[static_cast<size_t>(k)], static_cast<float>(byte_of(i, k) / 255.0)) << i << " " << k;
    }
  }
}

TEST(Cifar, TellsEveryDefect) {
  test::TempFolder folder;
  const std::string path = folder.write("cut", records(2, 0).substr(0, 6000));
  test::expect_mentions(test::error_of([&] { read_cifar({path}, any()); }),
                        {path, "records of 3073 bytes", "got 1 records and 2927 bytes more"});
  test::expect_mentions(test::error_of([&] { read_cifar({folder.write("empty", "")}, any()); }), {"empty", "got 0 records"});
  std::string wrong = records(3, 0);
  wrong[2 * 3073] = 10;
  test::expect_mentions(test::error_of([&] { read_cifar({folder.write("label", wrong)}, any()); }),
                        {"record 2 (byte 6146)", "0 … 9", "got 10"});
  CifarFormat exact = any();
  exact.records = 4;
  test::expect_mentions(test::error_of([&] { read_cifar({folder.write("few", records(3, 0))}, exact); }),
                        {"must hold 4 records, got 3", "data.partial"});
  test::expect_mentions(test::error_of([&] { read_cifar({folder / "absent"}, any()); }), {"absent", "can't be read"});
  test::expect_mentions(test::error_of([&] { read_cifar({folder.path()}, any()); }), {"plain file"});
}

struct CifarFolder : testing::Test {
  test::TempFolder folder;
  test::Environment data{"TACET_DATA", folder.path()}, home{"HOME", folder.path()};
};

TEST_F(CifarFolder, TakesAPartOnlyWhenAsked) {
  folder.write("cifar-10-batches-bin/data_batch_1.bin", records(3, 0));
  folder.write("cifar-10-batches-bin/data_batch_4.bin", records(5, 3));
  folder.write("cifar-10-batches-bin/test_batch.first2.bin", records(2, 5));
  test::expect_mentions(test::error_of([] { load_images(image_values("cifar-10")); }),
                        {"data_batch_2.bin", "does not exist", "data.partial = true"});
  const auto set = load_images(image_values("cifar-10", {{"partial", true}}));
  EXPECT_EQ(set->train.size(), 8);
  EXPECT_EQ(set->test.labels, (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(set->shape.size(), pixels);
}

// Whole files, made of holes: 50,000 and 10,000 records with label 0.
TEST_F(CifarFolder, ReadsWholeSetsOfBothKinds) {
  const auto hole = [&](const std::string& name, uintmax_t bytes) {
    std::filesystem::resize_file(folder.write(name, ""), bytes);
  };
  for (int k = 1; k <= 5; ++k) hole("cifar-10-batches-bin/data_batch_" + std::to_string(k) + ".bin", 30730000);
  hole("cifar-10-batches-bin/test_batch.bin", 30730000);
  hole("cifar-100-binary/train.bin", 153700000);
  hole("cifar-100-binary/test.bin", 30740000);
  for (const char* name : {"cifar-10", "cifar-100"}) {
    const auto set = load_images(image_values(name));
    EXPECT_EQ(set->train.size(), 50000);
    EXPECT_EQ(set->test.size(), 10000);
    EXPECT_EQ(set->shape.classes, name == std::string("cifar-10") ? 10 : 100);
  }
}

// The first labels of the first training batch are known (frog, truck, truck, deer, automobile), and the figures of the
// table describe the data: 20,000 of 50,000 images are here.
TEST(Cifar, ReadsTheRealFiles) {
  const char* base = std::getenv("TACET_DATA");
  if (!base || !std::filesystem::exists(std::string(base) + "/cifar-10-batches-bin/data_batch_1.bin"))
    GTEST_SKIP() << "the real files are not here: $TACET_DATA/cifar-10-batches-bin/data_batch_1.bin";
  const auto set = load_images(image_values("cifar-10", {{"partial", true}}));
  EXPECT_EQ((std::vector<int32_t>(set->train.labels.begin(), set->train.labels.begin() + 5)),
            (std::vector<int32_t>{6, 9, 9, 4, 1}));
  std::vector<int32_t> some;
  for (int32_t i = 0; i < set->train.size(); i += 5) some.push_back(i);
  const at::Tensor x = image_batch(set->train, set->shape, some, {.mean = set->mean, .deviation = set->deviation}, nullptr);
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(x.select(1, c).mean().item<double>(), 0, 0.03) << c;
    EXPECT_NEAR(x.select(1, c).std().item<double>(), 1, 0.03) << c;
  }
}

}  // namespace
}  // namespace tacet
