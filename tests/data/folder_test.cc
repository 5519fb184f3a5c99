// Folders of pictures: decoding JPEG and PNG, crops, listing, and the file of decoded pictures. Pictures are written by the
// tests themselves, with the same libraries' encoders. With $TACET_DATA also real ones.
#include <gtest/gtest.h>
#include <png.h>
#include <turbojpeg.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <set>
#include <thread>

#include <ATen/ATen.h>

#include "data/files/picture.h"
#include "data/image_fixtures.h"
#include "data/images/image_cache.h"
#include "data/images/image_folder.h"
#include "data/images/images.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet {
namespace {

// RGB bytes [height, width, 3].
struct Picture {
  int height, width;
  std::vector<uint8_t> rgb;
};

// Smooth, so that JPEG keeps it to a few levels: red grows to the right, green downwards, blue is `blue`.
Picture slope(int height, int width, int blue) {
  Picture p{height, width, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      p.rgb.insert(p.rgb.end(), {static_cast<uint8_t>(255 * x / (width - 1)), static_cast<uint8_t>(255 * y / (height - 1)),
                                 static_cast<uint8_t>(blue)});
  return p;
}

std::string jpeg(const Picture& p, int format = TJPF_RGB, int sampling = TJSAMP_444) {
  tjhandle handle = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  tjCompress2(handle, p.rgb.data(), p.width, 0, p.height, format, &out, &size, sampling, 100, 0);
  std::string bytes(reinterpret_cast<char*>(out), size);
  tjFree(out);
  tjDestroy(handle);
  return bytes;
}

std::string png(const Picture& p) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(p.width);
  image.height = static_cast<png_uint_32>(p.height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&image, nullptr, &size, 0, p.rgb.data(), 0, nullptr);
  std::string bytes(size, '\0');
  png_image_write_to_memory(&image, bytes.data(), &size, 0, p.rgb.data(), 0, nullptr);
  bytes.resize(size);
  return bytes;
}

// What read_picture gives, as [3, side, side] numbers.
at::Tensor read(const std::string& path, const PictureCrop& crop, Stream* random = nullptr) {
  at::Tensor out = at::empty({3, crop.side, crop.side}, at::kByte);
  read_picture(path, crop, random, out.data_ptr<uint8_t>());
  return out.to(at::kDouble);
}

double at_pixel(const at::Tensor& t, int c, int y, int x) { return t[c][y][x].item<double>(); }

TEST(PictureFile, ReadsEveryPixelOfAPng) {
  test::TempFolder folder;
  const at::Tensor t = read(folder.write("a.png", png(slope(16, 16, 77))), {.side = 16});
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x) {
      EXPECT_EQ(at_pixel(t, 0, y, x), 255 * x / 15);
      EXPECT_EQ(at_pixel(t, 1, y, x), 255 * y / 15);
      EXPECT_EQ(at_pixel(t, 2, y, x), 77);
    }
}

TEST(PictureFile, ReadsAJpegToAFewLevels) {
  test::TempFolder folder;
  const at::Tensor t = read(folder.write("a.JPEG", jpeg(slope(64, 64, 90))), {.side = 64});
  for (int y = 0; y < 64; y += 7)
    for (int x = 0; x < 64; x += 7) {
      EXPECT_NEAR(at_pixel(t, 0, y, x), 255 * x / 63, 4);
      EXPECT_NEAR(at_pixel(t, 1, y, x), 255 * y / 63, 4);
      EXPECT_NEAR(at_pixel(t, 2, y, x), 90, 4);
    }
}

TEST(PictureFile, GreyBecomesThreeEqualPlanes) {
  test::TempFolder folder;
  Picture grey{8, 8, std::vector<uint8_t>(64, 130)};
  const at::Tensor t = read(folder.write("a.jpg", jpeg(grey, TJPF_GRAY, TJSAMP_GRAY)), {.side = 8});
  EXPECT_EQ(t.min().item<double>(), 130);
  EXPECT_EQ(t.max().item<double>(), 130);
}

// Inverted inks as Adobe's programs write them: paper white is 255, 255, 255, 255; red light is (255·255, 51·255,
// 102·255)/255.
TEST(PictureFile, InksBecomeColours) {
  test::TempFolder folder;
  Picture inks{8, 8, {}};
  for (int k = 0; k < 64; ++k) inks.rgb.insert(inks.rgb.end(), {200, 51, 102, 128});
  const at::Tensor t = read(folder.write("a.jpg", jpeg(inks, TJPF_CMYK)), {.side = 8});
  const int expected[] = {200 * 128 / 255, 51 * 128 / 255, 102 * 128 / 255};
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(at_pixel(t, c, 4, 4), expected[c], 4) << c;
}

// Inks as libjpeg-turbo decodes them: red light is red · black / 255, rounded, as of a TIFF page. It was cut off to whole
// numbers, half a level darker.
TEST(PictureFile, InksAreRounded) {
  test::TempFolder folder;
  Picture inks{8, 8, {}};
  for (int k = 0; k < 64; ++k)
    inks.rgb.insert(inks.rgb.end(), {static_cast<uint8_t>(100 + 2 * k), 51, 102, static_cast<uint8_t>(250 - k)});
  const std::string file = jpeg(inks, TJPF_CMYK);
  const at::Tensor t = read(folder.write("a.jpg", file), {.side = 8});
  std::vector<uint8_t> decoded(4 * 64);
  tjhandle handle = tjInitDecompress();
  ASSERT_EQ(tjDecompress2(handle, reinterpret_cast<const unsigned char*>(file.data()), file.size(), decoded.data(), 8, 0, 8,
                          TJPF_CMYK, TJFLAG_ACCURATEDCT),
            0);
  tjDestroy(handle);
  for (int k = 0; k < 64; ++k)
    for (int c = 0; c < 3; ++c) {
      const int light = decoded[static_cast<size_t>(4 * k + c)] * decoded[static_cast<size_t>(4 * k + 3)];
      EXPECT_EQ(at_pixel(t, c, k / 8, k % 8), (light + 127) / 255) << k << " " << c;
    }
}

// The centred square of a 64 × 128 picture is columns 32 … 95; of half the shorter side, columns 48 … 79 and rows 16 … 47.
TEST(PictureFile, TakesTheCentredSquare) {
  test::TempFolder folder;
  const std::string path = folder.write("a.png", png(slope(64, 128, 0)));
  const at::Tensor whole = read(path, {.side = 64}), half = read(path, {.side = 32, .centre = 0.5});
  EXPECT_EQ(at_pixel(whole, 0, 0, 0), 255 * 32 / 127);
  EXPECT_EQ(at_pixel(whole, 0, 0, 63), 255 * 95 / 127);
  EXPECT_EQ(at_pixel(half, 0, 0, 0), 255 * 48 / 127);
  EXPECT_EQ(at_pixel(half, 1, 0, 0), 255 * 16 / 63);
  EXPECT_EQ(at_pixel(half, 1, 31, 31), 255 * 47 / 63);
}

// Halving a picture averages: with antialiasing, stripes of 0 and 255 become grey everywhere but at the rim.
TEST(PictureFile, ResizingIsAntialiased) {
  test::TempFolder folder;
  Picture stripes{32, 32, {}};
  for (int k = 0; k < 32 * 32; ++k) stripes.rgb.insert(stripes.rgb.end(), 3, static_cast<uint8_t>(k % 2 * 255));
  const at::Tensor t = read(folder.write("a.png", png(stripes)), {.side = 8});
  EXPECT_NEAR(t.narrow(2, 1, 6).min().item<double>(), 127.5, 12);
  EXPECT_NEAR(t.narrow(2, 1, 6).max().item<double>(), 127.5, 12);
}

// A picture eight times as large is decoded at an eighth of its size; what it shows is still in its place.
TEST(PictureFile, DecodingSmallerShowsTheSame) {
  test::TempFolder folder;
  const at::Tensor t = read(folder.write("a.jpg", jpeg(slope(512, 512, 60))), {.side = 32});
  for (const int k : {0, 10, 31}) {
    EXPECT_NEAR(at_pixel(t, 0, 5, k), 255 * (16 * k + 7.5) / 511, 4);
    EXPECT_NEAR(at_pixel(t, 1, k, 5), 255 * (16 * k + 7.5) / 511, 4);
  }
}

// Red and green tell where a crop lies. Of 400 crops: within the picture, areas between 0.08 and 1 with a mean near 0.54 (a
// little less, as wide crops that don't fit are drawn again), both edges reached, and the aspect within 3/4 … 4/3.
TEST(PictureFile, RandomCropsCoverThePicture) {
  test::TempFolder folder;
  const std::string path = folder.write("a.png", png(slope(256, 256, 0)));
  double area = 0, leftmost = 1, rightmost = 0, tallest = 9, widest = 0;
  for (int k = 0; k < 400; ++k) {
    Stream s(1, 0, Purpose::augmentation, 0, k);
    const at::Tensor t = read(path, {.side = 16, .least_area = 0.08}, &s);
    // Ends of the crop from the centres of the first and last pixel, which lie 1/32 of its width inside.
    const double x0 = at_pixel(t, 0, 8, 0) / 255, x1 = at_pixel(t, 0, 8, 15) / 255;
    const double y0 = at_pixel(t, 1, 0, 8) / 255, y1 = at_pixel(t, 1, 15, 8) / 255;
    const double width = (x1 - x0) * 16 / 15, height = (y1 - y0) * 16 / 15;
    EXPECT_GT(width / height, 0.75 * 0.93);
    EXPECT_LT(width / height, 4.0 / 3 * 1.07);
    EXPECT_GT(width * height, 0.07);
    tallest = std::min(tallest, width / height);
    widest = std::max(widest, width / height);
    area += width * height / 400;
    leftmost = std::min(leftmost, x0 - width / 32);
    rightmost = std::max(rightmost, x1 + width / 32);
  }
  EXPECT_NEAR(area, 0.52, 0.06);
  EXPECT_LT(tallest, 0.8);
  EXPECT_GT(widest, 1.25);
  EXPECT_NEAR(leftmost, 0, 0.02);
  EXPECT_NEAR(rightmost, 1, 0.02);
  Stream a(1, 0, Purpose::augmentation, 0, 3), b = a;
  EXPECT_TRUE(at::equal(read(path, {.side = 16}, &a), read(path, {.side = 16}, &b)));
}

TEST(PictureFile, SaysWhatIsWrong) {
  test::TempFolder folder;
  const std::string good = jpeg(slope(64, 64, 0)), fine = png(slope(64, 64, 0));
  const struct {
    const char* name;
    std::string bytes;
    std::vector<std::string> mentions;
  } rows[] = {
      {"empty.jpg", "", {"must be a picture (JPEG, PNG, ", "is empty"}},
      {"text.jpg", "not a picture", {"must be a picture (JPEG, PNG, ", "other bytes"}},
      {"cut.jpg", good.substr(0, good.size() / 2), {"can't be decoded as JPEG"}},
      {"head.jpg", good.substr(0, 20), {"can't be decoded as JPEG"}},
      {"ended.jpg", good.substr(0, good.size() / 2) + "\xFF\xD9", {"can't be decoded as JPEG", "premature end"}},
      // The library tells its first warning only, which here is of bytes that do no harm.
      {"odd.jpg", good.substr(0, 20) + "odd" + good.substr(20, good.size() / 2), {"can't be decoded as JPEG", "the end"}},
      {"cut.png", fine.substr(0, fine.size() / 2), {"can't be decoded as PNG"}},
  };
  for (const auto& row : rows) {
    const std::string path = folder.write(row.name, row.bytes);
    test::expect_mentions(test::error_of([&] { read(path, {.side = 8}); }), row.mentions);
    test::expect_mentions(test::error_of([&] { read(path, {.side = 8}); }), {path});
  }
}

// Odd extra bytes inside a file are common among published pictures, and harmless.
TEST(PictureFile, ExtraBytesAreNoError) {
  test::TempFolder folder;
  std::string bytes = jpeg(slope(64, 64, 0));
  bytes.insert(bytes.size() - 2, "extra");
  EXPECT_NO_THROW(read(folder.write("a.jpg", bytes), {.side = 64}));
}

// ---- data sets ----

struct PictureFolder : testing::Test {
  test::TempFolder folder;
  test::Environment data{"TACET_DATA", folder.path()}, home{"HOME", folder / "home"};
  // Two classes; the blue of a picture tells which one it is.
  void write_set(const std::string& root, const std::string& test_name) {
    for (int i = 0; i < 6; ++i)
      folder.write(root + "/train/" + (i % 2 ? "wolf" : "cat") + "/deep/p" + std::to_string(i) + ".jpg",
                   jpeg(slope(20, 30, 40 * i)));
    folder.write(root + "/train/cat/notes.txt", "no picture");
    folder.write(root + "/" + test_name + "/wolf/a.png", png(slope(16, 16, 200)));
    folder.write(root + "/" + test_name + "/cat/b.PNG", png(slope(16, 16, 100)));
  }
  static double blue(const ImageSplit& split, int64_t i, int64_t side) {
    std::vector<float> pixels(static_cast<size_t>(3 * side * side));
    split.read(i, pixels.data(), nullptr);
    return 255 * pixels[static_cast<size_t>(2 * side * side)];
  }
};

TEST_F(PictureFolder, ClassesAreFoldersInOrder) {
  write_set("image-folder", "test");
  const auto set = load_images(image_values("image-folder", {{"size", int64_t{16}}}));
  EXPECT_EQ(set->classes, (std::vector<std::string>{"cat", "wolf"}));
  EXPECT_EQ(set->train.labels, (std::vector<int32_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(set->test.labels, (std::vector<int32_t>{0, 1}));
  const int expected[] = {0, 80, 160, 40, 120, 200};
  for (int64_t i = 0; i < 6; ++i) EXPECT_NEAR(blue(set->train, i, 16), expected[i], 4);
  EXPECT_NEAR(blue(set->test, 0, 16), 100, 1);
}

// The same figures with a cache, from the cache alone, and without one.
TEST_F(PictureFolder, TheCacheHoldsWhatDecodingGives) {
  write_set("image-folder", "val");
  const auto pixels = [&](bool cache) {
    const auto set = load_images(image_values("image-folder", {{"size", int64_t{16}}, {"cache", cache}}));
    return image_batch(set->train, set->shape, {0, 1, 2, 3, 4, 5}, {.mean = set->mean, .deviation = set->deviation},
                       nullptr);
  };
  const at::Tensor without = pixels(false);
  const std::string file = folder / "image-folder/train/tacet-16.pictures";
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_TRUE(at::equal(pixels(true), without));
  ASSERT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(std::filesystem::file_size(file), 128u + 6 * 768);
  const auto made = std::filesystem::last_write_time(file);
  EXPECT_TRUE(at::equal(pixels(true), without));
  EXPECT_EQ(std::filesystem::last_write_time(file), made);  // taken as it was
}

TEST_F(PictureFolder, AChangedPictureOrADamagedCacheIsDecodedAnew) {
  write_set("image-folder", "val");
  const auto first_blue = [&] {
    return blue(load_images(image_values("image-folder", {{"size", int64_t{16}}}))->train, 0, 16);
  };
  EXPECT_NEAR(first_blue(), 0, 4);
  folder.write("image-folder/train/cat/deep/p0.jpg", jpeg(slope(20, 31, 222)));
  EXPECT_NEAR(first_blue(), 222, 4);
  const std::string file = folder / "image-folder/train/tacet-16.pictures";
  std::filesystem::resize_file(file, 3000);
  EXPECT_NEAR(first_blue(), 222, 4);
  EXPECT_EQ(std::filesystem::file_size(file), 128u + 6 * 768);
}

// Two workers at once make one file, and both get it.
TEST_F(PictureFolder, WorkersShareTheCache) {
  std::filesystem::create_directories(folder / "set");
  std::atomic<int> decoded{0};
  const auto open = [&] {
    return open_cache(folder / "set", "c", "print", 50, 4, [&](int64_t i, uint8_t* out) {
      ++decoded;
      std::fill_n(out, 4, static_cast<uint8_t>(i));
    });
  };
  PictureCache a, b;
  std::thread one([&] { a = open(); }), two([&] { b = open(); });
  one.join();
  two.join();
  EXPECT_EQ(decoded, 50);
  ASSERT_TRUE(a.file && b.file);
  EXPECT_EQ(b.file->data()[b.offset + 49 * 4], 49);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "set"), {}), 1) << "no lock stays";
}

TEST_F(PictureFolder, WhereTheFolderCannotBeWrittenTheCacheIsInTheHome) {
  const PictureCache c = open_cache(folder / "absent", "c", "0123456789abcdef", 2, 4,
                                    [&](int64_t i, uint8_t* out) { std::fill_n(out, 4, static_cast<uint8_t>(i)); });
  ASSERT_TRUE(c.file);
  EXPECT_TRUE(std::filesystem::exists(folder / "home/.cache/tacet/c-0123456789ab.pictures"));
}

TEST_F(PictureFolder, ImageNetTrainsOnRandomCrops) {
  write_set("imagenet", "val");
  test::expect_mentions(test::error_of([] { load_images(image_values("imagenet")); }),
                        {"1000 classes, got 2", "data.partial"});
  const auto set = load_images(image_values("imagenet", {{"partial", true}, {"size", int64_t{16}}}));
  EXPECT_FALSE(std::filesystem::exists(folder / "imagenet/train/tacet-16.pictures"));
  std::vector<float> a(768), b(768), c(768);
  Stream one(1, 0, Purpose::augmentation, 0, 1), same = one, two(1, 0, Purpose::augmentation, 0, 2);
  set->train.read(0, a.data(), &one);
  set->train.read(0, b.data(), &same);
  set->train.read(0, c.data(), &two);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

TEST_F(PictureFolder, TinyImageNetNamesItsValidationPictures) {
  folder.write("tiny-imagenet-200/wnids.txt", "n2\nn1\n");
  for (const char* name : {"n1", "n2"})
    folder.write(std::string("tiny-imagenet-200/train/") + name + "/images/x.JPEG",
                 jpeg(slope(64, 64, name[1] == '1' ? 50 : 150)));
  folder.write("tiny-imagenet-200/val/images/v0.JPEG", jpeg(slope(64, 64, 9)));
  folder.write("tiny-imagenet-200/val/val_annotations.txt", "v0.JPEG\tn2\t0\t1\t2\t3\nv1.JPEG\tn1\t0\t1\t2\t3\n");
  test::expect_mentions(test::error_of([] { load_images(image_values("tiny-imagenet")); }),
                        {"wnids.txt", "200 classes, got 2"});
  folder.write("tiny-imagenet-200/wnids.txt", "n2\nn1\nn2\n");
  test::expect_mentions(test::error_of([] {
                          load_images(image_values("tiny-imagenet", {{"partial", true}}));
                        }),
                        {"wnids.txt:3", "each class once, got n2 twice"});
  folder.write("tiny-imagenet-200/wnids.txt", "n2\nn1\n");
  const auto set = load_images(image_values("tiny-imagenet", {{"partial", true}}));
  EXPECT_EQ(set->train.labels, (std::vector<int32_t>{0, 1}));  // n1, n2: sorted
  EXPECT_NEAR(blue(set->train, 0, 64), 50, 4);
  EXPECT_EQ(set->test.labels, (std::vector<int32_t>{1}));
  folder.write("tiny-imagenet-200/val/val_annotations.txt", "v0.JPEG\tn3\t0\t1\t2\t3\n");
  test::expect_mentions(test::error_of([] {
                          load_images(image_values("tiny-imagenet", {{"partial", true}}));
                        }),
                        {"val_annotations.txt:1", "wnids.txt", "n3"});
}

TEST(TinyImageNet, ReadsTheRealFiles) {
  const char* base = std::getenv("TACET_DATA");
  if (!base || !std::filesystem::exists(std::string(base) + "/tiny-imagenet-200/wnids.txt"))
    GTEST_SKIP() << "the real files are not here: $TACET_DATA/tiny-imagenet-200/wnids.txt";
  const auto set = load_images(image_values("tiny-imagenet", {{"partial", true}, {"cache", false}}));
  EXPECT_EQ(set->shape.classes, 200);
  EXPECT_GT(set->train.size(), 100);
  std::vector<int32_t> all(static_cast<size_t>(set->train.size()));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i);
  const at::Tensor x = image_batch(set->train, set->shape, all, {.mean = set->mean, .deviation = set->deviation}, nullptr);
  EXPECT_NEAR(x.mean().item<double>(), 0, 0.3);  // ten of 200 classes
  EXPECT_NEAR(x.std().item<double>(), 1, 0.2);
}

}  // namespace
}  // namespace tacet
