// Folders of pictures of one's own: which files are read, left out by name, counted or an error; and that pixels are what
// the file says.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include <ATen/ATen.h>

#include "data/files/picture.h"
#include "data/image_fixtures.h"
#include "data/images/class_folders.h"
#include "data/images/images.h"
#include "data/picture_fixtures.h"
#include "data/png_fixture.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet::class_folders_test {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::expect_mentions;

std::string picture() { return test::raw_png({.row = std::string(24, '\x50')}); }

struct ClassFolders : testing::Test {
  test::TempFolder folder;
  test::Environment data{"TACET_DATA", folder.path()}, home{"HOME", folder / "home"};
  const std::string root = "image-folder";

  // Writes `n` pictures of each class.
  void write_split(const std::string& split, int n, const std::vector<std::string>& classes = {"cat", "dog"}) {
    for (const std::string& name : classes)
      for (int i = 0; i < n; ++i) write(split + "/" + name + "/" + std::to_string(i) + ".png", picture());
  }
  void write(const std::string& file, const std::string& bytes) { folder.write(root + "/" + file, bytes); }
  fs::path at(const std::string& file) const { return fs::path(folder / (root + "/" + file)); }
  static std::shared_ptr<const ImageData> load(const test::Given& given = {}) {
    test::Given all = {{"size", int64_t{8}}};
    all.insert(all.end(), given.begin(), given.end());
    return load_images(image_values("image-folder", all));
  }
  static std::string complaint() {
    return error_of([] { load(); });
  }
};

TEST_F(ClassFolders, NamesThatSystemsPutBesidePicturesAreLeftOutWithoutAWord) {
  write_split("train", 4);
  write_split("val", 2);
  for (const char* name :
       {"._0.png", ".DS_Store", "Thumbs.db", "THUMBS.DB", "desktop.ini", "ehthumbs.db", ".gitkeep", "tacet-32.pictures",
        "tacet-8.pictures.lock", ".ipynb_checkpoints/0.png", "__MACOSX/0.png", "@eaDir/0.jpg", ".hidden/deep/0.png"})
    for (const char* place : {"train/", "train/cat/", "val/dog/", ""}) write(std::string(place) + name, picture());
  const auto set = load();
  EXPECT_EQ(set->classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(set->train.size(), 8);
  EXPECT_EQ(set->test.size(), 4);
  EXPECT_EQ(set->notes, std::vector<std::string>{});
}

TEST_F(ClassFolders, OtherFilesAreCountedByKind) {
  write_split("train", 1);
  write_split("val", 1);
  write("train/cat/a.heic", std::string("\0\0\0 ftypheic", 12));
  write("train/cat/b", std::string("\0\0\0 ftypheic", 12));
  write("train/dog/deep/c.AVIF", std::string("\0\0\0 ftypavif", 12));
  write("train/dog/d.JP2", "");
  write("train/dog/readme", "");
  write("train/top.txt", "text");
  const auto set = load();
  EXPECT_EQ(set->train.size(), 2);
  EXPECT_EQ(set->notes, (std::vector<std::string>{
                            at("train").string() +
                            ": 6 files left out: 2 heic, 1 avif, 1 jp2, 1 txt beside the class folders, 1 without an ending "
                            "(top.txt, cat/a.heic, cat/b, dog/d.JP2, …)"}));
}

TEST_F(ClassFolders, ContentDecidesWhatIsAPicture) {
  write_split("train", 1);
  write_split("val", 1);
  for (const char* name : {"a.jfif", "b.PNG", "c", "d.bin"}) write(std::string("train/cat/") + name, picture());
  EXPECT_EQ(load()->train.size(), 6);
  EXPECT_EQ(load()->notes, std::vector<std::string>{});
  write("train/cat/e.jpg", std::string("\0\0\0 ftypheic", 12));
  expect_mentions(complaint(), {at("train/cat/e.jpg").string(), "JPEG, PNG, WebP, TIFF, GIF, BMP or PNM", "is heic"});
}

// A folder as phones, cameras and old programs fill it: each of the formats is read, whatever the file is called, and a file
// with a picture's name that is none is an error.
TEST_F(ClassFolders, EveryFormatIsRead) {
  write_split("train", 1);
  write_split("val", 1);
  const test::Bytes red = [] {
    test::Bytes all;
    for (int k = 0; k < 64; ++k) all.insert(all.end(), {200, 10, 20});
    return all;
  }();
  const std::string webp = test::webp(8, 8, red), tiff = test::tiff({.height = 8, .width = 8, .values = red}),
                    gif =
                        test::gif({.height = 8, .width = 8, .indices = test::Bytes(64), .palette = {200, 10, 20, 0, 0, 0}}),
                    bmp = test::bmp({.height = 8,
                                     .width = 8,
                                     .rows =
                                         [&] {
                                           std::string rows;
                                           for (int k = 0; k < 64; ++k) rows += {20, 10, static_cast<char>(200)};
                                           return rows;
                                         }()}),
                    ppm = "P6 8 8 255\n" + test::text_of(red);
  const std::pair<const char*, const std::string&> files[] = {
      {"a.webp", webp}, {"b.TIF", tiff}, {"c.gif", gif}, {"d.bmp", bmp}, {"e.ppm", ppm}, {"f", webp},
      {"g.img", tiff},  {"h.bin", gif},  {"i.dib", bmp}, {"j.txt", ppm}, {"k.jpg", webp}};
  for (const auto& [name, bytes] : files) write(std::string("train/cat/") + name, bytes);
  const auto set = load();
  EXPECT_EQ(set->notes, std::vector<std::string>{});
  ASSERT_EQ(set->train.size(), 2 + 11);
  std::vector<float> pixels(3 * 64);
  for (int64_t k = 1; k <= 11; ++k) {
    set->train.read(k, pixels.data(), nullptr);
    EXPECT_EQ(std::lround(255 * pixels[0]), 200) << k;
    EXPECT_EQ(std::lround(255 * pixels[64]), 10) << k;
    EXPECT_EQ(std::lround(255 * pixels[128]), 20) << k;
  }
  write("train/cat/z.gif", "no picture");
  expect_mentions(complaint(), {at("train/cat/z.gif").string(), "must be a picture", "starts with other bytes"});
}

TEST_F(ClassFolders, ThreeFoldersAreThreeSplits) {
  write_split("train", 1);
  write_split("val", 2);
  auto set = load();
  EXPECT_EQ(set->valid.size(), 0);
  EXPECT_EQ(set->test.size(), 4) << "alone, val/ is the test set";
  write_split("test", 3);
  set = load();
  EXPECT_EQ(set->valid.size(), 4);
  EXPECT_EQ(set->test.size(), 6);
  set = load({{"max_samples", int64_t{1}}});
  EXPECT_EQ(set->valid.size(), 4);
  EXPECT_EQ(set->train.size(), 1);
  expect_mentions(error_of([] { load({{"valid", int64_t{1}}}); }), {"data.valid must be 0", "4 of", "got 1"});
  fs::rename(at("val"), at("validation"));
  EXPECT_EQ(load()->valid.size(), 4);
  write_split("valid", 1);
  expect_mentions(complaint(), {"one folder of validation images", "valid/ and validation/"});
  fs::remove_all(at("valid"));
  fs::create_directory(at("extra"));
  EXPECT_EQ(load()->notes.size(), 1u);
  expect_mentions(load()->notes.at(0), {"not read: extra/"});
}

TEST_F(ClassFolders, LinksToFoldersAreFollowed) {
  write_split("elsewhere", 3);
  fs::create_directories(at("train"));
  fs::create_directory_symlink(at("elsewhere/cat"), at("train/cat"));
  write("train/dog/0.png", picture());
  fs::create_directory_symlink(at("elsewhere/dog"), at("train/dog/more"));
  write_split("val", 1);
  EXPECT_EQ(load()->train.size(), 3 + 1 + 3);
}

TEST_F(ClassFolders, SaysWhatIsWrong) {
  const struct {
    const char* what;
    std::function<void(ClassFolders&)> spoil;
    std::vector<std::string> mentions;
  } rows[] = {
      {"a class only in val",
       [](auto& f) { f.write("val/bee/0.png", picture()); },
       {"val/bee", "no class of the training set"}},
      {"a class without validation pictures", [](auto& f) { fs::remove_all(f.at("val/dog")); }, {"val/dog", "has none"}},
      {"a class of other formats alone",
       [](auto& f) {
         fs::remove(f.at("train/dog/0.png"));
         f.write("train/dog/0.psd", "8BPS");
       },
       {"train/dog", "has none", "1 psd (dog/0.psd)"}},
      {"a level too many",
       [](auto& f) {
         fs::create_directory(f.at("train/images"));
         fs::rename(f.at("train/cat"), f.at("train/images/cat"));
         fs::rename(f.at("train/dog"), f.at("train/images/dog"));
       },
       {"train", "two or more classes", "only images/", "train/images look like classes (cat, dog)", "one level higher"}},
      {"one class", [](auto& f) { fs::remove_all(f.at("train/dog")); }, {"two or more classes", "only cat/"}},
      {"neither val nor test", [](auto& f) { fs::remove_all(f.at("val")); }, {"val/ or test/", "neither"}},
      {"a loop",
       [](auto& f) { fs::create_directory_symlink(f.at("train"), f.at("train/cat/up")); },
       {"train/cat/up", "leads back"}},
      {"a link to nothing",
       [](auto& f) { fs::create_symlink("gone.png", f.at("train/cat/a.png")); },
       {"cat/a.png", "gone.png"}},
      {"a link to itself", [](auto& f) { fs::create_symlink("a", f.at("train/cat/a")); }, {"train/cat/a", "can't be read"}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    fs::remove_all(at(""));
    write_split("train", 1);
    write_split("val", 1);
    EXPECT_EQ(error_of([] { load(); }), "");
    row.spoil(*this);
    expect_mentions(complaint(), row.mentions);
  }
}

TEST_F(ClassFolders, AFolderThatCannotBeReadIsAnError) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads every folder: tests/cli/test_data.py tries it as another user";
  write_split("train", 1);
  write_split("val", 1);
  write("train/cat/sub/0.png", picture());
  ::chmod(at("train/cat/sub").c_str(), 0);
  expect_mentions(complaint(), {"train/cat/sub", "can't be read"});
  ::chmod(at("train/cat/sub").c_str(), 0700);
}

// ---- pixels ----

std::string big_endian(const std::vector<int>& values) {
  std::string bytes;
  for (const int v : values) bytes += {static_cast<char>(v >> 8), static_cast<char>(v)};
  return bytes;
}

// Returns the first row of red, green and blue.
std::vector<int> first_row(const std::string& bytes) {
  test::TempFolder folder;
  std::vector<uint8_t> out(3 * 64);
  read_picture(folder.write("a.png", bytes), {.side = 8}, nullptr, out.data());
  std::vector<int> row;
  for (int c = 0; c < 3; ++c) row.insert(row.end(), out.begin() + 64 * c, out.begin() + 64 * c + 8);
  return row;
}

std::vector<int> thrice(std::vector<int> row) {
  std::vector<int> all;
  for (int c = 0; c < 3; ++c) all.insert(all.end(), row.begin(), row.end());
  return all;
}

// 128 is just below half of 257, 129 just above it.
TEST(PngPixels, SixteenBitsAreRoundedByValue) {
  const std::vector<int> values = {0, 128, 129, 257, 1536, 32896, 65023, 65535};
  std::vector<int> rounded;
  for (const int v : values) rounded.push_back(static_cast<int>(std::lround(v / 257.0)));
  EXPECT_EQ(first_row(test::raw_png({.depth = 16, .colours = 0, .row = big_endian(values)})), thrice(rounded));
  std::vector<int> rgb;
  for (const int v : values) rgb.insert(rgb.end(), {v, 65535 - v, 257 * 7});
  std::vector<int> expected = rounded;
  for (const int v : values) expected.push_back(static_cast<int>(std::lround((65535 - v) / 257.0)));
  expected.insert(expected.end(), 8, 7);
  EXPECT_EQ(first_row(test::raw_png({.depth = 16, .colours = 2, .row = big_endian(rgb)})), expected);
}

TEST(PngPixels, GammaAndColourProfilesAreNotApplied) {
  const std::vector<int> values = {1, 5, 9, 13, 100, 200, 254, 255};
  const std::string row(values.begin(), values.end());
  const std::string one = test::png_chunk("gAMA", test::png_number(100000)),
                    usual = test::png_chunk("gAMA", test::png_number(45455));
  const std::string srgb = test::png_chunk("sRGB", std::string(1, '\0'));
  for (const std::string& before : {std::string(), one, usual, srgb})
    EXPECT_EQ(first_row(test::raw_png({.colours = 0, .row = row, .before = before})), thrice(values));
  EXPECT_EQ(
      first_row(test::raw_png(
          {.depth = 16, .colours = 0, .row = big_endian({257, 514, 771, 1028, 1285, 1542, 1799, 2056}), .before = one})),
      thrice({1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(PngPixels, TransparencyIsDropped) {
  std::string rgba, grey;
  for (const int alpha : {0, 1, 64, 127, 128, 200, 254, 255}) {
    rgba += {static_cast<char>(200), 100, 50, static_cast<char>(alpha)};
    grey += {static_cast<char>(90), static_cast<char>(alpha)};
  }
  std::vector<int> expected(8, 200);
  expected.insert(expected.end(), 8, 100);
  expected.insert(expected.end(), 8, 50);
  EXPECT_EQ(first_row(test::raw_png({.colours = 6, .row = rgba})), expected);
  EXPECT_EQ(first_row(test::raw_png({.colours = 4, .row = grey})), thrice(std::vector<int>(8, 90)));
  // A palette with one transparent colour, and a grey value that counts as transparent.
  const std::string palette =
      test::png_chunk("PLTE", {10, 20, 30, 40, 50, 60}) + test::png_chunk("tRNS", std::string(1, '\0'));
  EXPECT_EQ(
      first_row(test::raw_png({.colours = 3, .row = std::string({0, 1, 0, 1, 0, 1, 0, 1}), .before = palette})),
      (std::vector<int>{10, 40, 10, 40, 10, 40, 10, 40, 20, 50, 20, 50, 20, 50, 20, 50, 30, 60, 30, 60, 30, 60, 30, 60}));
  EXPECT_EQ(first_row(test::raw_png({.colours = 0, .row = "ABABABAB", .before = test::png_chunk("tRNS", {0, 'A'})})),
            thrice({65, 66, 65, 66, 65, 66, 65, 66}));
}

TEST(PngPixels, FewBitsSpreadOverTheRange) {
  EXPECT_EQ(first_row(test::raw_png({.depth = 1, .colours = 0, .row = "\x55"})), thrice({0, 255, 0, 255, 0, 255, 0, 255}));
  EXPECT_EQ(first_row(test::raw_png({.depth = 4, .colours = 0, .row = "\x01\x23\x45\xef"})),
            thrice({0, 17, 34, 51, 68, 85, 238, 255}));
}

TEST(PngPixels, ASizeThatTheFileCannotHoldIsAnErrorBeforeMemoryIsTaken) {
  std::string bytes = test::raw_png({.row = std::string(24, 'x')});
  const std::string header = test::png_number(900000) + test::png_number(900000) + std::string{8, 2, 0, 0, 0};
  bytes.replace(8, 25, test::png_chunk("IHDR", header));
  expect_mentions(error_of([&] { first_row(bytes); }), {"can't be decoded as PNG", "cut off"});
}

}  // namespace
}  // namespace tacet::class_folders_test
