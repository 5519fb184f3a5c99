// The ground floor: whole files, digests, bytes, UTF-8, places.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/mapped_file.h"
#include "base/places.h"
#include "base/terminal.h"
#include "base/utf8.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

std::string complaint_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const UserError& e) {
    return e.what();
  }
  return "nothing thrown";
}

class Files : public testing::Test {
 protected:
  size_t count() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder.path()), {})); }
  ScratchFolder folder{"tacet-base-test"};
};

TEST_F(Files, AreReadWhole) {
  const std::string bytes("a\0b\n", 4);
  write_atomically(folder.path("x"), bytes);
  EXPECT_EQ(read_file(folder.path("x")), bytes);
  const MappedFile mapped(folder.path("x"));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mapped.data()), static_cast<size_t>(mapped.size())), bytes);
}

TEST_F(Files, ThatAreNoneAreNamed) {
  EXPECT_EQ(complaint_of([&] { read_file(folder.path("none")); }),
            folder.path("none") + ": can't be read: No such file or directory");
  EXPECT_EQ(complaint_of([&] { read_file(folder.path()); }), folder.path() + ": must be a plain file, is a folder");
  ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(complaint_of([&] { MappedFile(folder.path("pipe")); }),
            folder.path("pipe") + ": must be a plain file, is a device, pipe or socket");
}

TEST_F(Files, AppearWholeOrNotAtAll) {
  write_atomically(folder.path("x"), "old");
  {
    AtomicFile file(folder.path("x"));
    file.write("new, but never finished");
    EXPECT_EQ(read_file(folder.path("x")), "old");
  }
  EXPECT_EQ(read_file(folder.path("x")), "old");
  EXPECT_EQ(count(), 1u) << "what was written aside is gone";
  write_atomically(folder.path("x"), {"ne", "", "w"});
  EXPECT_EQ(read_file(folder.path("x")), "new");
  EXPECT_EQ(count(), 1u);
}

TEST_F(Files, ThatCannotBeWrittenAreNamed) {
  EXPECT_THROW(write_atomically(folder.path("no/x"), "1"), WriteError);
  fs::create_directory(folder.path("taken"));
  EXPECT_EQ(complaint_of([&] { write_atomically(folder.path("taken"), "1"); }),
            folder.path("taken") + ": must be a file to write, got a folder");
  {
    AtomicFile file(folder.path("late"));
    fs::create_directory(folder.path("late"));
    EXPECT_NE(complaint_of([&] { file.commit(); }).find("can't rename"), std::string::npos);
  }
  EXPECT_EQ(count(), 2u) << "what was written aside is gone";
}

TEST_F(Files, AreWrittenAtTheEndOfTheirLinks) {
  fs::create_directory(folder.path("far"));
  write_atomically(folder.path("far/x"), "old");
  fs::create_symlink("far/x", folder.path("near"));
  fs::create_symlink(folder.path("near"), folder.path("way"));
  fs::create_symlink("far/none", folder.path("to_nowhere"));
  {
    AtomicFile file(folder.path("way"));
    EXPECT_TRUE(fs::exists(folder.path("far/way.part"))) << "on the file system of the link's end";
    file.write("new");
    file.commit();
  }
  write_atomically(folder.path("to_nowhere"), "first");
  EXPECT_EQ(read_file(folder.path("far/x")), "new");
  EXPECT_EQ(read_file(folder.path("far/none")), "first");
  for (const char* name : {"near", "way", "to_nowhere"}) EXPECT_TRUE(fs::is_symlink(folder.path(name))) << name;
  EXPECT_EQ(count(), 4u);
  fs::create_symlink("circle", folder.path("circle"));
  EXPECT_THROW(write_atomically(folder.path("circle"), "1"), WriteError);
  EXPECT_TRUE(fs::is_symlink(folder.path("circle")));
}

// A pipe stands for /dev/null, which root could lose here.
TEST_F(Files, ReplaceNothingThatIsNoFile) {
  ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
  fs::create_symlink("pipe", folder.path("link"));
  for (const char* name : {"pipe", "link"}) {
    const std::string path = folder.path(name);
    EXPECT_EQ(complaint_of([&] { write_atomically(path, "1"); }),
              path +
                  ": must be a file to write, got a device, pipe or socket, which is never replaced: give a plain file or "
                  "a new name");
  }
  EXPECT_TRUE(fs::is_fifo(folder.path("pipe")));
  EXPECT_TRUE(fs::is_symlink(folder.path("link")));
  EXPECT_EQ(count(), 2u);
}

TEST_F(Files, LinesWithoutAnEndAreLeftOut) {
  std::ofstream(folder.path("x")) << "one\n\nthree\nunfin";
  EXPECT_EQ(read_lines(folder.path("x")), (std::vector<std::string>{"one", "", "three"}));
  EXPECT_TRUE(read_lines(folder.path("none")).empty());
}

TEST_F(Files, LinesThatCannotBeReadAreNotNone) {
  EXPECT_EQ(complaint_of([&] { read_lines(folder.path()); }), folder.path() + ": must be a plain file, is a folder");
  fs::create_symlink("circle", folder.path("circle"));
  EXPECT_NE(complaint_of([&] { read_lines(folder.path("circle")); }).find("circle: can't be read"), std::string::npos);
}

TEST(ScratchFolders, GoWithTheirOwner) {
  std::string path;
  {
    const ScratchFolder folder("tacet-base-test");
    path = folder.path();
    std::ofstream(folder.path("x")) << "1";
    EXPECT_TRUE(fs::exists(path + "/x"));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(Descriptors, AreClosedOnce) {
  Fd a(::dup(0)), b;
  const int number = a.get();
  b = std::move(a);
  EXPECT_EQ(a.get(), -1);
  EXPECT_EQ(b.get(), number);
  b.reset();
  EXPECT_EQ(b.get(), -1);
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST_F(Files, HaveDigests) {
  const std::string abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  Digest digest;
  digest.add("a");
  digest.add("bc");
  EXPECT_EQ(digest.hex(), abc);
  write_atomically(folder.path("x"), "abc");
  EXPECT_EQ(sha256_file(folder.path("x")), abc);
  EXPECT_EQ(file_digest(folder.path("x"), DigestKind::md5), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(file_digest(folder.path("none")), std::nullopt);
  EXPECT_EQ(complaint_of([&] { sha256_file(folder.path("none")); }), folder.path("none") + ": can't be read");
}

TEST(Bytes, ComeBackInOrder) {
  std::string bytes;
  put(bytes, int8_t{-1});
  put(bytes, 1.5);
  put(bytes, uint32_t{0x01020304});
  EXPECT_EQ(bytes.size(), 13u);
  EXPECT_EQ(bytes.substr(9), "\x04\x03\x02\x01");
  size_t at = 0;
  EXPECT_EQ(take<int8_t>(bytes, at), -1);
  EXPECT_EQ(take<double>(bytes, at), 1.5);
  EXPECT_EQ(take<uint32_t>(bytes, at), 0x01020304u);
  EXPECT_EQ(at, bytes.size());
}

TEST(Utf8, IsToldFromOtherBytes) {
  EXPECT_TRUE(is_utf8("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"));
  EXPECT_FALSE(is_utf8("\xC0\x80")) << "a longer form than needed";
  EXPECT_FALSE(is_utf8("\xED\xA0\x80")) << "a surrogate";
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80")) << "beyond U+10FFFF";
  EXPECT_EQ(first_bad_byte("ab\xC3\xA4\xFFz"), 4u);
  EXPECT_EQ(utf8_length("\xE2\x82", 0), -1);
  EXPECT_EQ(from_latin1("\xE4z"), "\xC3\xA4z");
  EXPECT_EQ(without_mark("\xEF\xBB\xBFz"), "z");
}

TEST(Utf8, MistakesAreNamedByLineAndByte) {
  EXPECT_EQ(complaint_of([] { check_text("a\nb\xFF", "f"); }),
            "f:2: byte 3: must be UTF-8, got a malformed character that starts with byte 0xff");
  EXPECT_EQ(complaint_of([] { check_text("a\xC3", "f", 7, 100); }),
            "f:7: byte 101: the file is cut off: it ends in the middle of a UTF-8 character");
  EXPECT_EQ(complaint_of([] { check_text("a\xC3", "f", 7, 100, false); }),
            "f:7: byte 101: must be UTF-8, got a malformed character that starts with byte 0xc3");
  EXPECT_EQ(complaint_of([] { check_text(std::string("a\0", 2), "f"); }), "f:1: byte 1: must be text, got a NUL byte");
}

TEST_F(Files, PlacesFollowTheEnvironment) {
  const std::string home = variable("HOME"), data = variable("TACET_DATA");
  ::setenv("HOME", "/h", 1);
  ::unsetenv("TACET_DATA");
  EXPECT_EQ(expand_home("~/x"), "/h/x");
  EXPECT_EQ(expand_home("/a~/x"), "/a~/x");
  EXPECT_EQ(data_folder(), "/h/.cache/tacet");
  ::setenv("TACET_DATA", "/d", 1);
  EXPECT_EQ(data_folder(), "/d");
  ::unsetenv("HOME");
  EXPECT_EQ(expand_home("~/x"), "~/x");
  EXPECT_EQ(cache_folder(), "");
  ::setenv("HOME", home.c_str(), 1);
  if (data.empty()) ::unsetenv("TACET_DATA");
  if (!data.empty()) ::setenv("TACET_DATA", data.c_str(), 1);
  write_atomically(folder.path("b"), "");
  EXPECT_EQ(first_existing(folder.path(), {"a", "", "b"}), folder.path("b"));
  EXPECT_EQ(first_existing(folder.path(), {"a"}), "");
}

TEST(Deadlines, RoundUp) {
  EXPECT_EQ(poll_milliseconds(Clock::now() - std::chrono::seconds(1)), 0);
  EXPECT_GE(poll_milliseconds(Clock::now() + std::chrono::microseconds(500)), 0);
  EXPECT_GT(poll_milliseconds(after(1e9)), 1 << 29);
  EXPECT_GE(since(Clock::now() - std::chrono::seconds(2)), 2);
  EXPECT_EQ(seconds_text(0.5), "0.5 s");
}

TEST(Text, BlanksAtItsEndsAreTrimmedUnicodesToo) {
  const struct {
    const char *given, *want;
  } rows[] = {
      {"", ""},
      {" \t\r\n\v\f", ""},
      {" a b ", "a b"},
      {"\xC2\xA0"
       "a\xC2\xA0",
       "a"},
      {"\xE3\x80\x80"
       "a\xE2\x80\x89",
       "a"},
      {"\xC3\xA9 ", "\xC3\xA9"},
      {"\xEF\xBB\xBF"
       "a",
       "a"},
      {"\x80 ", "\x80"},
  };
  for (const auto& row : rows) EXPECT_EQ(trimmed(row.given), row.want);
}

TEST(Text, NothingOfAUsersTextActsOnATerminal) {
  EXPECT_EQ(visible("a\x1B[31m\n\t\r\x7F"), "a\\u001B[31m\\n\\t\\r\\u007F");
  EXPECT_EQ(visible("\xC2\x9B"
                    "31m \xE2\x80\xAE"
                    "x"),
            "\\u009B31m \\u202Ex");  // C1 and a mark of direction
  EXPECT_EQ(visible("caf\xC3\xA9 \xFF\xC3"), "caf\xC3\xA9 \\xff\\xc3");
  EXPECT_EQ(visible("a\nb\x07", "\n"), "a\nb\\u0007");
  EXPECT_EQ(visible(std::string_view("\0", 1)), "\\u0000");
}

TEST(Text, OfLongTextsAndListsMessagesShowTheBeginning) {
  EXPECT_EQ(in_quotes("a\n"), "\"a\\n\"");
  EXPECT_EQ(in_quotes(std::string(79, 'a') + "\xC3\xA9z"), "\"" + std::string(79, 'a') + "\xE2\x80\xA6\"");
  EXPECT_EQ(in_quotes(std::vector<std::string>{"a", "b"}), "\"a\", \"b\"");
  const std::string list = in_quotes(std::vector<std::string>(50, "a"));
  EXPECT_TRUE(list.ends_with("\"a\" and 30 more")) << list;
}

// A row that fills its last column may wrap, and is then cleared in half only.
TEST(OneRow, LeavesTheLastColumnFree) {
  const Fd terminal(::posix_openpt(O_RDWR | O_NOCTTY));
  ASSERT_GE(terminal.get(), 0);
  winsize size{};
  size.ws_row = 24, size.ws_col = 10;
  ASSERT_EQ(::ioctl(terminal.get(), TIOCSWINSZ, &size), 0);
  EXPECT_EQ(one_row("3 of 12 points", terminal.get()), "3 of 12 p");  // 9 of 10 columns
  EXPECT_EQ(one_row("3 of 12", terminal.get()), "3 of 12");
}

}  // namespace
}  // namespace tacet
