// Downloads, from file addresses: what is there is kept, what was begun is continued, what is wrong is refused, archives are
// unpacked and stay within their folder. The same from http, and the command as a whole: test_data.py.
#include "cli/fetch.h"

#include <archive.h>
#include <archive_entry.h>

#include <gtest/gtest.h>

#include "base/digest.h"
#include "cli/data_command.h"
#include "data/files/safetensors.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet {
namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Fetch : testing::Test {
  test::TempFolder origin, target;
  Source source{"set", "file://" + origin.path() + "/", "sub", {}};
  // Puts a file on offer.
  void offer(const std::string& name, const std::string& bytes, bool is_archive = false) {
    const std::string path = origin.write(name, bytes);
    source.files.push_back({name, static_cast<int64_t>(bytes.size()), "sha256:" + sha256_file(path), is_archive});
  }
  // Packs files by path and content. With `link`, a first entry "way" leads there.
  void pack(const std::string& name, const std::vector<std::pair<std::string, std::string>>& files, bool zip,
            const std::string& link = "") {
    archive* a = archive_write_new();
    if (zip) {
      archive_write_set_format_zip(a);
    } else {
      archive_write_set_format_pax_restricted(a);
      archive_write_add_filter_gzip(a);
    }
    archive_write_open_filename(a, (origin / name).c_str());
    if (!link.empty()) {
      archive_entry* entry = archive_entry_new();
      archive_entry_set_pathname(entry, "way");
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, link.c_str());
      archive_entry_set_perm(entry, 0777);
      archive_write_header(a, entry);
      archive_entry_free(entry);
    }
    for (const auto& [path, bytes] : files) {
      archive_entry* entry = archive_entry_new();
      archive_entry_set_pathname(entry, path.c_str());
      archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_perm(entry, 0644);
      archive_write_header(a, entry);
      archive_write_data(a, bytes.data(), bytes.size());
      archive_entry_free(entry);
    }
    archive_write_close(a);
    archive_write_free(a);
    offer(name, content(origin / name), true);
  }
  void run(const std::string& address = "") { fetch(source, target.path(), address); }
};

TEST_F(Fetch, BringsEveryFile) {
  offer("one", "first file");
  offer("two", std::string(100000, 'x'));
  run();
  EXPECT_EQ(content(target / "sub/one"), "first file");
  EXPECT_EQ(content(target / "sub/two").size(), 100000u);
  EXPECT_FALSE(std::filesystem::exists(target / "sub/one.part"));
}

TEST_F(Fetch, KeepsWhatIsThere) {
  offer("one", "first file");
  run();
  std::filesystem::remove(origin / "one");
  EXPECT_NO_THROW(run());
}

// The first half is there, of which nothing is read again: the origin now has another first half.
TEST_F(Fetch, ContinuesWhatWasBegun) {
  offer("one", std::string(5000, 'a') + std::string(5000, 'b'));
  target.write("sub/one.part", std::string(5000, 'a'));
  origin.write("one", std::string(5000, '?') + std::string(5000, 'b'));
  run();
  EXPECT_EQ(content(target / "sub/one"), std::string(5000, 'a') + std::string(5000, 'b'));
}

TEST_F(Fetch, RefusesAWrongFileAndLeavesNothing) {
  offer("one", "first file");
  origin.write("one", "other file");
  test::expect_mentions(test::error_of([&] { run(); }),
                        {"checksum sha256:", source.files[0].checksum, "10 bytes", "as " + target / "sub/one"});
  EXPECT_FALSE(std::filesystem::exists(target / "sub/one"));
  EXPECT_FALSE(std::filesystem::exists(target / "sub/one.part"));
  origin.write("one", "shorter");
  test::expect_mentions(test::error_of([&] { run(); }), {"must have 10 bytes, got 7"});
}

TEST_F(Fetch, SaysWhatIsMissingAndWhereItBelongs) {
  offer("one", "first file");
  offer("two", "second file");
  std::filesystem::remove(origin / "two");
  test::expect_mentions(test::error_of([&] { run(); }), {origin / "two", "11 bytes", "as " + target / "sub/two"});
  EXPECT_EQ(content(target / "sub/one"), "first file");
  // Nobody listens on port 1 of this machine.
  std::filesystem::remove(target / "sub/one");
  test::expect_mentions(test::error_of([&] { run("http://127.0.0.1:1"); }),
                        {"http://127.0.0.1:1/one", "http://127.0.0.1:1/two"});
}

TEST_F(Fetch, UnpacksArchivesOnce) {
  pack("a.tar.gz", {{"sub/deep/x", "ex"}, {"sub/y", "why"}}, false);
  pack("b.zip", {{"sub/z", "zed"}}, true);
  run();
  EXPECT_EQ(content(target / "sub/deep/x"), "ex");
  EXPECT_EQ(content(target / "sub/y"), "why");
  EXPECT_EQ(content(target / "sub/z"), "zed");
  EXPECT_FALSE(std::filesystem::exists(target / "a.tar.gz"));
  std::filesystem::remove(origin / "a.tar.gz");
  EXPECT_NO_THROW(run());
}

TEST_F(Fetch, AnArchiveStaysWithinItsFolder) {
  pack("a.tar.gz", {{"../escaped", "!"}}, false);
  test::expect_mentions(test::error_of([&] { run(); }), {"../escaped", "leads out of its folder"});
  EXPECT_FALSE(std::filesystem::exists(target / "../escaped"));
}

// "Cannot extract through symlink" was all that came of a home folder, or a disk for data, that is a link.
TEST_F(Fetch, UnpacksIntoAFolderBehindALink) {
  pack("a.tar.gz", {{"sub/deep/x", "ex"}, {"y", "why"}}, false);
  const test::TempFolder home, disk;
  std::filesystem::create_directory_symlink(target.path(), home / "data");
  fetch(source, home / "data", "");
  EXPECT_EQ(content(target / "sub/deep/x"), "ex");
  EXPECT_EQ(content(target / "y"), "why");
  // The data set's own folder may be a link, too.
  std::filesystem::remove_all(target / "sub");
  std::filesystem::create_directory_symlink(disk.path(), target / "sub");
  run();
  EXPECT_EQ(content(disk / "deep/x"), "ex");
  EXPECT_TRUE(std::filesystem::is_symlink(target / "sub"));
}

TEST_F(Fetch, AnArchiveStaysWithinItsFolderWhereItBringsALink) {
  const test::TempFolder outside;
  pack("a.tar.gz", {{"way/escaped", "!"}}, false, outside.path());
  EXPECT_NE(test::error_of([&] { run(); }), "");
  EXPECT_FALSE(std::filesystem::exists(outside / "escaped"));
}

TEST(Bars, GrowWithTheirNumbers) {
  EXPECT_EQ(bars({0, 1, 40, 80}, 80), " ▁▄█");
  EXPECT_EQ(bars({0, 0}, 0), "  ");
}

}  // namespace
}  // namespace tacet
