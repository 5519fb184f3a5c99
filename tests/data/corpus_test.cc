// Readers of word-level corpora: words to indices, real files, damaged files, where files are looked for, the embedded text.
#include "data/text/corpus.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>

#include <set>

#include "data/text/sotu.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet {
namespace {

using Tokens = std::vector<int32_t>;

std::string words_of(const Corpus& corpus, const Tokens& tokens) {
  std::string text;
  for (const int32_t t : tokens) text += (text.empty() ? "" : " ") + corpus.vocabulary.at(static_cast<size_t>(t));
  return text;
}

// A folder with small valid and test files; the training file is the test's matter.
struct CorpusFiles : ::testing::Test {
  CorpusFiles() {
    folder.write("valid.txt", "v\n");
    folder.write("test.txt", "t\n");
  }
  Corpus read_train(const std::string& bytes) {
    folder.write("train.txt", bytes);
    return read_ptb_layout(folder.path());
  }
  std::string complaint_about(const std::string& bytes) {
    return test::error_of([&] { read_train(bytes); });
  }
  test::TempFolder folder;
};

// The vocabulary is a b <eos> c, then x from valid and y from test: order of first appearance, one <eos> a line.
TEST(Corpus, NumbersWordsInOrderOfFirstAppearance) {
  const test::TempFolder folder;
  folder.write("ptb.train.txt", " a b a \n c b \n");
  folder.write("ptb.valid.txt", "x a\n");
  folder.write("ptb.test.txt", "y x\n");
  const Corpus c = read_ptb_layout(folder.path());
  EXPECT_EQ(c.vocabulary, (std::vector<std::string>{"a", "b", "<eos>", "c", "x", "y"}));
  EXPECT_EQ(c.train, (Tokens{0, 1, 0, 2, 3, 1, 2}));
  EXPECT_EQ(c.valid, (Tokens{4, 0, 2}));
  EXPECT_EQ(c.test, (Tokens{5, 4, 2}));
  EXPECT_TRUE(c.owners.empty());
}

// Each row: the bytes of a training file and its words as the AWD-LSTM code would see them.
TEST_F(CorpusFiles, SplitsLinesLikeTheReferenceCode) {
  const struct {
    const char *what, *bytes, *words;
  } rows[] = {
      {"last line without its end", "a b", "a b <eos>"},
      {"blank lines count", "\na\n\n", "<eos> a <eos> <eos>"},
      {"CRLF", "a b\r\nc\r\n", "a b <eos> c <eos>"},
      {"runs of blanks and tabs", "\ta  b \n", "a b <eos>"},
      {"a mark at the start",
       "\xEF\xBB\xBF"
       "a\n",
       "a <eos>"},
      {"characters of 2, 3 and 4 bytes", "\xC3\xA9 \xE2\x82\xAC\xF0\x9F\x98\x80\n",
       "\xC3\xA9 \xE2\x82\xAC\xF0\x9F\x98\x80 <eos>"},
      {"an <eos> of the file's own", "a <eos>\n", "a <eos> <eos>"},
  };
  for (const auto& row : rows) {
    const Corpus c = read_train(row.bytes);
    EXPECT_EQ(words_of(c, c.train), row.words) << row.what;
  }
}

// ---- damaged and missing files ----

TEST_F(CorpusFiles, ComplainsAboutBytesWithLineAndOffset) {
  const struct {
    const char* what;
    std::string bytes;
    std::vector<std::string> mentions;
  } rows[] = {
      {"NUL", std::string("ab\nc\0d\n", 7), {"train.txt:2: byte 4", "NUL"}},
      {"latin-1", "ab\ncaf\xE9 d\n", {"train.txt:2: byte 6", "must be UTF-8", "0xe9"}},
      {"stray continuation", "\x80", {"train.txt:1: byte 0", "0x80"}},
      {"too long a form", "a\xC0\xAF", {"byte 1", "0xc0"}},
      {"too long a form of 3 bytes", "a\xE0\x80\xAF", {"byte 1", "0xe0"}},
      {"surrogate", "\xED\xA0\x80", {"byte 0", "0xed"}},
      {"beyond U+10FFFF", "\xF4\x90\x80\x80", {"byte 0", "0xf4"}},
      {"UTF-16",
       std::string("\xFF\xFE"
                   "a\0",
                   4),
       {"byte 0", "begins as UTF-16 does"}},
      {"cut off", "a\n\n\xE2\x82", {"train.txt:3: byte 3", "cut off"}},
      {"cut off after the first of four", "a\xF0", {"byte 1", "cut off"}},
      {"empty", "", {"train.txt", "empty"}},
      {"blank", "\n \r\n\n", {"train.txt", "only blank lines"}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    test::expect_mentions(complaint_about(row.bytes), row.mentions);
  }
}

TEST_F(CorpusFiles, ComplainsAboutWhatIsNoFile) {
  std::filesystem::create_directory(folder / "train.txt");
  test::expect_mentions(test::error_of([&] { read_ptb_layout(folder.path()); }), {folder / "train.txt", "is a folder"});
  std::filesystem::remove(folder / "train.txt");
  // A pipe nobody writes to: must be refused, not waited for.
  ASSERT_EQ(mkfifo((folder / "train.txt").c_str(), 0600), 0);
  test::expect_mentions(test::error_of([&] { read_ptb_layout(folder.path()); }), {folder / "train.txt", "pipe"});
}

TEST_F(CorpusFiles, ComplainsAboutMissingFilesWithNamesAndHowTheFolderIsChosen) {
  test::expect_mentions(
      test::error_of([&] { read_ptb_layout(folder.path()); }),
      {folder.path(), "ptb.train.txt, train.txt, wiki.train.tokens, wiki.train.txt", "data.root", "$TACET_DATA"});
  folder.write("train.txt", "a\n");
  std::filesystem::remove(folder / "valid.txt");
  test::expect_mentions(test::error_of([&] { read_ptb_layout(folder.path()); }),
                        {folder / "valid.txt", "does not exist", "train.txt, valid.txt, test.txt", "data.root"});
  test::expect_mentions(test::error_of([&] { read_ptb_layout(folder / "nowhere"); }),
                        {folder / "nowhere", "does not exist"});
  test::expect_mentions(test::error_of([&] { read_ptb_layout(folder / "train.txt"); }), {"must be a folder", "is a file"});
}

// A folder may hold two corpora; a file of one is never taken for a split of the other.
TEST(Corpus, DoesNotMixCorporaThatShareAFolder) {
  const test::TempFolder folder;
  for (const char* split : {"train", "valid", "test"}) {
    folder.write(std::string("ptb.") + split + ".txt", "penn\n");
    folder.write(std::string("wiki.") + split + ".tokens", "wiki\n");
  }
  EXPECT_EQ(read_ptb_layout(folder.path(), "ptb").vocabulary[0], "penn");
  EXPECT_EQ(read_ptb_layout(folder.path(), "wikitext-2").vocabulary[0], "wiki");
  std::filesystem::remove(folder / "ptb.test.txt");
  folder.write("test.txt", "x\n");
  test::expect_mentions(test::error_of([&] { read_ptb_layout(folder.path(), "ptb"); }), {"ptb.test.txt"});
}

// A user's train.txt beside ptb.train.txt was left out, and another corpus trained on. "text" takes every style, so that two
// of them leave open which is meant; "ptb" is known by its name.
TEST_F(CorpusFiles, TwoTrainingTextsInOneFolderAreAnError) {
  for (const char* split : {"train", "valid", "test"}) folder.write(std::string("ptb.") + split + ".txt", "penn\n");
  folder.write("train.txt", "mine\n");
  test::expect_mentions(test::error_of([&] { read_ptb_layout(folder.path()); }),
                        {folder / "ptb.train.txt", "must not lie beside train.txt", "only one of them is read"});
  EXPECT_EQ(read_ptb_layout(folder.path(), "ptb").vocabulary[0], "penn");
  std::filesystem::remove(folder / "ptb.train.txt");
  EXPECT_EQ(read_ptb_layout(folder.path()).vocabulary[0], "mine");
}

// Any bytes are either a corpus or a UserError, never a crash; a corpus's indices are all words of its vocabulary.
RC_GTEST_FIXTURE_PROP(CorpusFiles, ReadsAnyBytesOrComplains, (std::vector<uint8_t> bytes)) {
  std::string text(bytes.begin(), bytes.end());
  if (*rc::gen::arbitrary<bool>()) text.insert(0, "ab \xC3\xA9\n");  // so that some start well
  bool complained = false;
  try {
    const Corpus c = read_train(text);
    for (const int32_t t : c.train) RC_ASSERT(t >= 0 && t < static_cast<int32_t>(c.vocabulary.size()));
  } catch (const UserError&) {
    complained = true;
  }
  RC_CLASSIFY(complained, "complained");
}

// Writing a corpus's words and reading them again gives the same words in the same lines.
RC_GTEST_FIXTURE_PROP(CorpusFiles, GivesBackTheWordsOfEveryLine, ()) {
  const auto word = rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'e')));
  const auto lines = *rc::gen::resize(20, rc::gen::nonEmpty(rc::gen::container<std::vector<std::vector<std::string>>>(
                                              rc::gen::container<std::vector<std::string>>(word))));
  std::string text, words;
  for (const auto& line : lines) {
    for (const auto& w : line) {
      text += w + " ";
      words += w + " ";
    }
    text += "\n";
    words += "<eos> ";
  }
  RC_PRE(text.find_first_not_of('\n') != std::string::npos);
  const Corpus c = read_train(text);
  RC_ASSERT(words_of(c, c.train) + " " == words);
  RC_ASSERT(std::set<std::string>(c.vocabulary.begin(), c.vocabulary.end()).size() == c.vocabulary.size());
}

// ---- where files are looked for ----

struct Roots : ::testing::Test {
  Roots() { std::filesystem::create_directory(cache_home / ".cache"); }
  std::string put(const test::TempFolder& folder, const std::string& below, const std::string& file = "ptb.train.txt") {
    folder.write(below + file, "a\n");
    return std::filesystem::path(folder / below).lexically_normal().string();
  }
  static std::string normal(const std::string& p) {
    std::string s = std::filesystem::path(p).lexically_normal().string();
    while (s.size() > 1 && s.back() == '/') s.pop_back();
    return s;
  }
  std::string found(const std::string& dataset = "ptb") { return normal(find_root(data, dataset)); }
  test::TempFolder base, cache_home;
  test::Environment variable{"TACET_DATA", std::nullopt};
  test::Environment home{"HOME", cache_home.path()};
  Values data;
};

TEST_F(Roots, TakesDataRootItselfOrItsSubfolder) {
  data.set("root", base.path());
  put(base, "ptb/");
  EXPECT_EQ(found(), base / "ptb");
  put(base, "");
  EXPECT_EQ(found(), base.path());
}

TEST_F(Roots, TakesTheVariablesFolderOrItsSubfolderBeforeTheCache) {
  put(cache_home, ".cache/tacet/ptb/");
  EXPECT_EQ(found(), cache_home / ".cache/tacet/ptb");
  const test::Environment set("TACET_DATA", base.path());
  EXPECT_EQ(found(), cache_home / ".cache/tacet/ptb");  // nothing in the variable's folder yet
  put(base, "");
  EXPECT_EQ(found(), base.path());
  put(base, "ptb/");
  EXPECT_EQ(found(), base / "ptb");
}

TEST_F(Roots, DataRootIsNotReplacedByTheVariable) {
  put(base, "ptb/");
  const test::Environment set("TACET_DATA", base.path());
  data.set("root", std::string("/nonexistent"));
  test::expect_mentions(test::error_of([&] { find_root(data, "ptb"); }),
                        {"data.root is \"/nonexistent\"", "/nonexistent/ptb"});
}

TEST_F(Roots, ReadsTheHomeFolderFromATilde) {
  put(cache_home, "mine/");
  data.set("root", std::string("~/mine"));
  EXPECT_EQ(found(), cache_home / "mine");
}

TEST_F(Roots, DoesNotTakeOneCorpusForAnother) {
  put(base, "", "ptb.train.txt");
  data.set("root", base.path());
  test::expect_mentions(test::error_of([&] { find_root(data, "wikitext-2"); }), {"wikitext-2", "wiki.train.tokens"});
}

TEST_F(Roots, ListsEveryPlaceItLookedAt) {
  const test::Environment set("TACET_DATA", base.path());
  test::expect_mentions(test::error_of([&] { find_root(data, "ptb"); }),
                        {base / "ptb", base.path() + ",", cache_home / ".cache/tacet/ptb", "ptb.train.txt or train.txt",
                         "$TACET_DATA is \"" + base.path()});
}

// ---- real files ----

struct Expected {
  const char* dataset;
  size_t words, train, valid, test;
};

void PrintTo(const Expected& e, std::ostream* out) { *out << e.dataset; }

class RealCorpus : public ::testing::TestWithParam<Expected> {};

// Counts as published with the data sets, one <eos> a line.
TEST_P(RealCorpus, HasThePublishedCounts) {
  const Expected e = GetParam();
  const std::string folder = std::string(PROJECT_FOLDER) + "/../shared/data/" + e.dataset;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the real files of " << e.dataset << " are not here: " << folder;
  Values data;
  data.set("root", folder);
  const Corpus c = load_corpus(data, e.dataset);
  EXPECT_EQ(c.vocabulary.size(), e.words);
  EXPECT_EQ(c.train.size(), e.train);
  EXPECT_EQ(c.valid.size(), e.valid);
  EXPECT_EQ(c.test.size(), e.test);
}
INSTANTIATE_TEST_SUITE_P(Published, RealCorpus,
                         ::testing::Values(Expected{"ptb", 10000, 929589, 73760, 82430},
                                           Expected{"wikitext-2", 33278, 2088628, 217646, 245569}),
                         [](const auto& test) { return std::string(test.param.dataset) == "ptb" ? "Ptb" : "WikiText2"; });

// ---- the embedded text ----

struct Sotu : ::testing::Test {
  static const Corpus& corpus() {
    static const Corpus c = load_corpus(Values(), "sotu");
    return c;
  }
};

// The counts that scripts/rebuild-sotu.py printed; see data/sotu/README.md.
TEST_F(Sotu, HasTheCountsOfItsReadme) {
  EXPECT_EQ(corpus().vocabulary.size(), 10000u);
  EXPECT_EQ(corpus().train.size(), 1630096u);
  EXPECT_EQ(corpus().valid.size(), 127003u);
  EXPECT_EQ(corpus().test.size(), 109889u);
}

TEST_F(Sotu, StartsWithTheFirstSpeechAndHoldsNoHeaders) {
  const Tokens start(corpus().train.begin(), corpus().train.begin() + 7);
  EXPECT_EQ(words_of(corpus(), start), "fellow-citizens of the senate and house of");
  const std::set<std::string> words(corpus().vocabulary.begin(), corpus().vocabulary.end());
  EXPECT_EQ(words.size(), corpus().vocabulary.size());
  EXPECT_TRUE(words.count("<unk>") && words.count("<eos>") && words.count("N"));
  for (const std::string& w : words) EXPECT_EQ(w.find_first_of("#|"), std::string::npos) << w;
}

// 43 presidents, of whom Cleveland served twice with another between: 44 runs. All of them have training speeches.
TEST_F(Sotu, OwnersCoverTheTrainingTextInOrder) {
  int64_t next = 0;
  std::set<std::string> names;
  const int32_t eos = *std::find_if(corpus().train.begin(), corpus().train.end(),
                                    [](int32_t t) { return corpus().vocabulary[static_cast<size_t>(t)] == "<eos>"; });
  for (const Owner& o : corpus().owners) {
    EXPECT_EQ(o.first, next);
    EXPECT_GT(o.size, 0);
    next += o.size;
    EXPECT_EQ(corpus().train.at(static_cast<size_t>(next - 1)), eos);  // no sentence has two owners
    names.insert(o.name);
  }
  EXPECT_EQ(next, static_cast<int64_t>(corpus().train.size()));
  EXPECT_EQ(names.size(), 43u);
  EXPECT_EQ(corpus().owners.size(), 44u);
  EXPECT_EQ(corpus().owners.front().name, "George Washington");
  EXPECT_EQ(corpus().owners.back().name, "Joseph R Biden");
}

}  // namespace
}  // namespace tacet
