// From files to a model's input: MNIST-like folders, what is held out, normalisation and augmentation.
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <set>

#include "data/image_fixtures.h"
#include "data/images/images.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet {
namespace {

ImageSplit ramp(int64_t n, int64_t channels, int64_t side) {
  const int64_t size = channels * side * side;
  return split_of_bytes(at::arange(n * size).remainder(251).to(at::kByte).view({n, channels, side, side}),
                        std::vector<int32_t>(static_cast<size_t>(n), 0), 1, "ramp");
}

const Stream* stream(int64_t step) {
  static std::map<int64_t, Stream> all;
  return &all.emplace(step, Stream(1, 0, Purpose::augmentation, 0, step)).first->second;
}

TEST(Images, NormalisesEachChannel) {
  const ImageShape shape{2, 2, 2, 1};
  const at::Tensor x = image_batch(ramp(3, 2, 2), shape, {2, 0}, {.mean = {0.5, 0}, .deviation = {0.25, 2}}, nullptr);
  EXPECT_EQ(x.sizes().vec(), (std::vector<int64_t>{2, 2, 2, 2}));
  EXPECT_FLOAT_EQ(x[0][0][0][1].item<float>(),
                  static_cast<float>((17 / 255.0 - 0.5) / 0.25));  // image 2 starts with byte 16
  EXPECT_FLOAT_EQ(x[1][1][1][1].item<float>(), static_cast<float>(7 / 255.0 / 2));
}

// A small deviation is as good as a large one; one in the last digits of the sums is that of a constant channel.
TEST(Images, SmallDeviationsAreTakenAsTheyAre) {
  ImageData set;
  add_channel(set, 1e-8, 3e-8);
  add_channel(set, 0.3, 1e-12);
  add_channel(set, 0, 0);
  EXPECT_EQ(set.deviation, (std::vector<double>{3e-8, 1, 1}));
  EXPECT_EQ(set.notes.size(), 2u);
}

// Every training image is one of the (2·2+1)² crops of the padded image, mirrored or not, and all of them turn up.
TEST(Images, CropsAndFlipsAreThoseOfThePaddedImage) {
  const ImageShape shape{1, 4, 4, 1};
  const ImageSplit split = ramp(1, 1, 4);
  const ImageInput input{.padding = 2, .flip = true, .mean = {-1}, .deviation = {1}};  // pixels become > 0, padding stays 0
  const at::Tensor plain = image_batch(split, shape, {0}, {.mean = {-1}, .deviation = {1}}, nullptr)[0][0];
  const at::Tensor padded = at::constant_pad_nd(plain, {2, 2, 2, 2});
  std::vector<at::Tensor> allowed;
  for (int64_t y = 0; y < 5; ++y)
    for (int64_t x = 0; x < 5; ++x) {
      allowed.push_back(padded.narrow(0, y, 4).narrow(1, x, 4));
      allowed.push_back(allowed.back().flip({1}));
    }
  std::set<size_t> seen;
  const at::Tensor batch = image_batch(split, shape, std::vector<int32_t>(1000, 0), input, stream(0));
  for (int64_t k = 0; k < 1000; ++k)
    for (size_t a = 0; a <= allowed.size(); ++a) {
      ASSERT_LT(a, allowed.size()) << "an image that is no crop";
      if (at::equal(batch[k][0], allowed[a])) {
        seen.insert(a);
        break;
      }
    }
  EXPECT_EQ(seen.size(), 50u);  // 1,000 draws miss one of 50 with probability 50·0.98^1000 = 8e-8
}

TEST(Images, AugmentationIsAFunctionOfTheStreamAndLeavesEvaluationAlone) {
  const ImageShape shape{3, 8, 8, 1};
  const ImageSplit split = ramp(6, 3, 8);
  const ImageInput input{.padding = 2, .flip = true, .mean = {0, 0, 0}, .deviation = {1, 1, 1}};
  const std::vector<int32_t> samples = {0, 1, 2, 3, 4, 5};
  EXPECT_TRUE(
      at::equal(image_batch(split, shape, samples, input, stream(1)), image_batch(split, shape, samples, input, stream(1))));
  EXPECT_FALSE(
      at::equal(image_batch(split, shape, samples, input, stream(1)), image_batch(split, shape, samples, input, stream(2))));
  const at::Tensor plain = image_batch(split, shape, samples, input, nullptr);
  EXPECT_FLOAT_EQ(plain[5][2][7][7].item<float>(), static_cast<float>((6 * 192 - 1) % 251 / 255.0));
}

struct IdxFolder : testing::Test {
  test::TempFolder folder;
  test::Environment data{"TACET_DATA", folder.path()}, home{"HOME", folder.path()};
  void SetUp() override { write_idx_set(folder, 40, 12, 5, 4); }
};

TEST_F(IdxFolder, ReadsImagesLabelsAndSizes) {
  const auto set = load_images(image_values("idx"));
  EXPECT_EQ(set->shape.height, 5);
  EXPECT_EQ(set->shape.classes, 4);
  EXPECT_EQ(set->train.size(), 40);
  EXPECT_EQ(set->test.size(), 12);
  EXPECT_EQ(set->valid.size(), 0);
  EXPECT_EQ(set->train.labels[6], 2);  // i % classes, as written
  std::vector<float> pixels(25);
  set->train.read(3, pixels.data(), nullptr);
  EXPECT_FLOAT_EQ(pixels[2], static_cast<float>(idx_pixel(3, 2) / 255.0));
}

// Held-out and training images are disjoint parts of the files' images, and the same for every seed of the run.
TEST_F(IdxFolder, HoldsOutAndCutsAtRandom) {
  const auto set = load_images(image_values("idx", {{"valid", int64_t{10}}, {"max_samples", int64_t{30}}}));
  EXPECT_EQ(set->valid.size(), 10);
  EXPECT_EQ(set->train.size(), 20);
  std::set<std::vector<float>> seen;
  for (const ImageSplit* split : {&set->train, &set->valid})
    for (int64_t i = 0; i < split->size(); ++i) {
      std::vector<float> pixels(25);
      split->read(i, pixels.data(), nullptr);
      seen.insert(pixels);
    }
  EXPECT_EQ(seen.size(), 30u);
  test::expect_mentions(test::error_of([] {
                          load_images(image_values("idx", {{"valid", int64_t{40}}}));
                        }),
                        {"data.valid", "less than the 40", "got 40"});
}

TEST_F(IdxFolder, SaysWhatIsWrong) {
  test::expect_mentions(test::error_of([] {
                          load_images(image_values("idx", {{"mean", Numbers{1, 2}}}));
                        }),
                        {"data.mean", "each of the 1 channels", "got 2"});
  test::expect_mentions(test::error_of([] { load_images(image_values("mnist")); }),
                        {"train-images-idx3-ubyte", "28 × 28", "got 5 × 5"});
  std::filesystem::remove(folder / "t10k-labels-idx1-ubyte");
  test::expect_mentions(test::error_of([] { load_images(image_values("idx")); }),
                        {"t10k-labels-idx1-ubyte", "does not exist"});
  folder.write("t10k-labels-idx1-ubyte", idx_bytes({13}, std::string(13, '\1')));
  test::expect_mentions(test::error_of([] { load_images(image_values("idx")); }), {"equally many", "12 and 13"});
}

// The packed or the other file was left out without a word. torchvision keeps both of a published set.
TEST_F(IdxFolder, TwoFilesForOneAreAnErrorOfOnesOwnFiles) {
  for (const char* other : {"train-images-idx3-ubyte.gz", "train-images.idx3-ubyte", "t10k-labels-idx1-ubyte.gz"}) {
    folder.write(other, "other");
    test::expect_mentions(test::error_of([] { load_images(image_values("idx")); }), {"must not lie beside", other});
    std::filesystem::remove(folder / other);
  }
  write_idx_set(folder, 40, 12, 28, 4);
  folder.write("train-images-idx3-ubyte.gz", "other");
  EXPECT_EQ(load_images(image_values("mnist"))->train.size(), 40);
}

// The order of a sum is that of the values, whatever the width of the processor's vectors: 2⁶⁰ takes in the seven ones
// behind it, as its last digit is 2⁸, −2⁶⁰ leaves 0, and seven ones follow. Lanes of 4 or 8 would bring the large ones
// together and keep all fourteen.
TEST(Images, MeansAreSummedInTheOrderOfTheValues) {
  at::Tensor values = at::ones({1, 1, 1, 16}, at::kFloat);
  values.view({16})[0] = std::pow(2.0, 60);
  values.view({16})[8] = -std::pow(2.0, 60);
  ImageData set;
  add_channels(set, values);
  EXPECT_EQ(set.mean, std::vector<double>{7.0 / 16});
}

// Two images of two channels. Bytes 0 and 255, and 51 and 102 twice: means 0.5 and 0.3, deviations 0.5 and 0.1, or with one
// value fewer √(4/3) times as much. Floats are taken as they are.
TEST(Images, EachChannelHasItsMeanAndDeviation) {
  const at::Tensor bytes = at::tensor({0, 255, 51, 102, 255, 0, 102, 51}, at::kByte).view({2, 2, 1, 2});
  ImageData set, fewer, floats;
  add_channels(set, bytes);
  add_channels(fewer, bytes, 1);
  add_channels(floats, bytes.to(at::kFloat));
  for (size_t c = 0; c < 2; ++c) {
    EXPECT_NEAR(set.mean[c], c == 0 ? 0.5 : 0.3, 1e-15);
    EXPECT_NEAR(set.deviation[c], c == 0 ? 0.5 : 0.1, 1e-15);
    EXPECT_NEAR(fewer.deviation[c], set.deviation[c] * std::sqrt(4.0 / 3), 1e-15);
    EXPECT_NEAR(floats.mean[c], 255 * set.mean[c], 1e-12);
    EXPECT_NEAR(floats.deviation[c], 255 * set.deviation[c], 1e-12);
  }
}

TEST(Images, LabelsMustBeBelowTheNumberOfClasses) {
  test::expect_mentions(test::error_of([] {
                          split_of_bytes(at::zeros({2, 1, 1}, at::kByte), {0, 10}, 10, "there");
                        }),
                        {"there", "0 … 9", "got 10 for image 1"});
}

// The files of Debian's package: sizes, the first labels of the published set, and the mean and deviation that the table
// uses (0.2860 and 0.3530, known figures of the training set).
TEST(Images, ReadsFashionMnist) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist"))
    GTEST_SKIP() << "the package dataset-fashion-mnist is not installed";
  test::TempFolder empty;
  const test::Environment data("TACET_DATA", {}), home("HOME", empty.path());
  const auto set = load_images(image_values("fashion-mnist"));
  EXPECT_EQ(set->train.size(), 60000);
  EXPECT_EQ(set->test.size(), 10000);
  EXPECT_EQ((std::vector<int32_t>(set->test.labels.begin(), set->test.labels.begin() + 5)),
            (std::vector<int32_t>{9, 2, 1, 1, 6}));
  std::vector<int32_t> some;
  for (int32_t i = 0; i < 60000; i += 7) some.push_back(i);
  const at::Tensor x = image_batch(set->train, set->shape, some, {.mean = set->mean, .deviation = set->deviation}, nullptr);
  EXPECT_NEAR(x.mean().item<double>(), 0, 0.01);
  EXPECT_NEAR(x.std().item<double>(), 1, 0.01);
}

}  // namespace
}  // namespace tacet
