// IDX files: what is read, plain and gzip alike, and that every way of being broken is told apart. Also where data sets are
// looked for.
#include <gtest/gtest.h>
#include <zlib.h>

#include <ATen/ATen.h>

#include "data/files/idx.h"
#include "data/files/locate.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet::idx_test {
namespace {

std::string big_endian(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

std::string idx(const std::vector<uint32_t>& sizes, const std::string& data) {
  std::string bytes = {0, 0, 8, static_cast<char>(sizes.size())};
  for (const uint32_t s : sizes) bytes += big_endian(s);
  return bytes + data;
}

std::string gzip(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, bytes.size()) + 32, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::vector<int> values(const at::Tensor& t) {
  std::vector<int> v;
  for (int64_t k = 0; k < t.numel(); ++k) v.push_back(t.data_ptr<uint8_t>()[k]);
  return v;
}

TEST(Idx, ReadsSizesAndBytes) {
  test::TempFolder folder;
  const at::Tensor t = read_idx(folder.write("a", idx({2, 1, 3}, "\x01\x02\x03\xfd\xfe\xff")), 3);
  EXPECT_EQ(t.sizes().vec(), (std::vector<int64_t>{2, 1, 3}));
  EXPECT_EQ(values(t), (std::vector<int>{1, 2, 3, 253, 254, 255}));
}

TEST(Idx, ReadsGzipAsPlain) {
  test::TempFolder folder;
  const std::string data(70000, '\x07');  // compresses about 1,000 times, near the most that deflate can
  const at::Tensor t = read_idx(folder.write("a.gz", gzip(idx({70000}, data))), 1);
  EXPECT_EQ(t.numel(), 70000);
  EXPECT_EQ(values(t).back(), 7);
}

// Sizes go beyond one byte: 258 = 0x0102.
TEST(Idx, SizesAreBigEndian) {
  test::TempFolder folder;
  EXPECT_EQ(read_idx(folder.write("a", idx({258}, std::string(258, 'x'))), 1).numel(), 258);
}

TEST(Idx, TellsEveryDefect) {
  test::TempFolder folder;
  const std::string good = idx({2, 3}, "abcdef"), zipped = gzip(idx({400}, std::string(400, 'x') + ""));
  const struct {
    const char* what;
    std::string bytes;
    int dimensions;
    std::vector<std::string> mentions;
  } rows[] = {
      {"empty", "", 2, {"shorter than the 4 bytes"}},
      {"another magic", "PK\x03\x04....", 2, {"starts with 0x00000802", "got 0x504b0304"}},
      {"other dimensions", good, 3, {"3 dimensions", "0x00000803", "got 0x00000802"}},
      {"floats", std::string("\0\0\x0d\x02", 4) + good.substr(4), 2, {"got 0x00000d02"}},
      {"no sizes", good.substr(0, 9), 2, {"cut off inside its header of 12 bytes"}},
      {"a size of zero", idx({0, 3}, ""), 2, {"byte 4", "size 1 of 2", "> 0", "got 0"}},
      {"short data", good.substr(0, 17), 2, {"cut off", "promises 6 bytes", "only 17"}},
      {"long data", good + "g", 2, {"more than the 6 bytes"}},
      {"a giant", idx({0xffffffff, 0xffffffff}, "abc"), 2, {"fit the file"}},
      {"a smaller giant", idx({0x7fffffff, 2}, "abc"), 2, {"promises 4294967294 bytes"}},
      {"gzip cut off", zipped.substr(0, zipped.size() - 9), 1, {"can't be read", "cut off"}},
      {"gzip with wrong sum", zipped.substr(0, zipped.size() - 8) + "12345678", 1, {"can't be read", "check"}},
      {"gzip of less", gzip(idx({500}, std::string(400, 'x'))), 1, {"promises 500", "got 400"}},
      {"gzip of more", gzip(idx({300}, std::string(400, 'x'))), 1, {"more than the 300"}},
      {"gzip of a giant", gzip(idx({0x7fffffff}, "x")), 1, {"promises 2147483647 bytes"}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    const std::string path = folder.write("file", row.bytes);
    const std::string message = test::error_of([&] { read_idx(path, row.dimensions); });
    test::expect_mentions(message, row.mentions);
    test::expect_mentions(message, {path + ": "});
  }
  test::expect_mentions(test::error_of([&] { read_idx(folder / "absent", 1); }), {folder / "absent", "does not exist"});
  test::expect_mentions(test::error_of([&] { read_idx(folder.path(), 1); }), {folder.path(), "no plain file"});
}

// ---- where data sets lie ----

TEST(Locate, LooksInTheStatedOrder) {
  test::TempFolder root, base, home, packaged;
  const test::Environment data("TACET_DATA", base.path()), user("HOME", home.path());
  Values none, given;
  given.set("root", root.path());
  const auto find = [&](const Values& v) { return find_folder(v, "set", "sub", {"one", "two"}, {packaged.path()}); };

  test::expect_mentions(test::error_of([&] { find(none); }),
                        {"data set \"set\"", "one or two", base / "sub", home / ".cache/tacet/sub", packaged.path(),
                         "data.root is not given"});
  // Only a set that can be had without an account is told to be fetched, and only to where it is looked for.
  const auto missing = [](const Values& v, const std::string& dataset) {
    return test::error_of([&] { find_folder(v, dataset, dataset, {"one"}); });
  };
  test::expect_mentions(missing(none, "ptb"),
                        {"`tacet data fetch ptb` downloads it; else give data.root or set $TACET_DATA"});
  EXPECT_EQ(missing(none, "imagenet").find("data fetch"), std::string::npos);
  EXPECT_EQ(missing(given, "ptb").find("data fetch"), std::string::npos);
  packaged.write("two", "");
  EXPECT_EQ(find(none), packaged.path());
  home.write(".cache/tacet/sub/one", "");
  EXPECT_EQ(find(none), home / ".cache/tacet/sub");
  base.write("one", "");
  EXPECT_EQ(find(none), base.path());
  base.write("sub/one", "");
  EXPECT_EQ(find(none), base / "sub");

  // data.root is final: nothing else is searched.
  test::expect_mentions(test::error_of([&] { find(given); }), {"data.root is \"" + root.path() + "\"", root / "sub"});
  root.write("sub/one", "");
  EXPECT_EQ(find(given), root / "sub");
  root.write("one", "");
  EXPECT_EQ(find(given), root.path());
  Values tilde;
  tilde.set("root", std::string("~/.cache/tacet/sub"));
  EXPECT_EQ(find(tilde), home.path() + "/.cache/tacet/sub");
}

}  // namespace
}  // namespace tacet::idx_test
