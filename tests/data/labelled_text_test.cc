// Labelled texts from files: lines and records, the readers of each layout, the vocabulary's rules and word vectors.
#include "data/text/labelled_text.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <rapidcheck/gtest.h>
#include <cstdlib>

#include "data/files/lines.h"
#include "data/text/word_vectors.h"
#include "support/error_of.h"
#include "support/row_values.h"
#include "support/temp_folder.h"

#include "tacet/registry.h"

namespace tacet {
namespace {

using Lines = std::vector<std::string>;

Lines lines_of(const std::string& path, Charset charset = Charset::utf8) {
  Lines all;
  for_each_line(
      path, [&](std::string_view line, int64_t) { all.emplace_back(line); }, charset);
  return all;
}

std::vector<Lines> records_of(const std::string& path, char separator) {
  std::vector<Lines> all;
  for_each_record(path, separator, [&](const Lines& f, int64_t) { all.push_back(f); });
  return all;
}

std::string zipped(const test::TempFolder& folder, const std::string& name, const std::string& text) {
  const std::string path = folder / name;
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  return path;
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// ---- lines ----

TEST(TextLines, EndsAreRemovedAndTheLastOneMayBeMissing) {
  const test::TempFolder f;
  EXPECT_EQ(lines_of(f.write("a", "one\r\n\ntwo")), (Lines{"one", "", "two"}));
  EXPECT_EQ(lines_of(f.write("b", "\xEF\xBB\xBFone\n")), (Lines{"one"}));
}

TEST(TextLines, ReadsGzipWhateverTheName) {
  const test::TempFolder f;
  EXPECT_EQ(lines_of(zipped(f, "plain.txt", "one\ntwo\n")), (Lines{"one", "two"}));
}

// gzip takes files behind each other as one. Whatever else follows would be left out.
TEST(TextLines, ReadsEveryGzipMember) {
  const test::TempFolder f;
  const std::string one = bytes_of(zipped(f, "1.gz", "one\ntw")), two = bytes_of(zipped(f, "2.gz", "o\nthree\n"));
  EXPECT_EQ(lines_of(f.write("both.gz", one + two)), (Lines{"one", "two", "three"}));
  EXPECT_EQ(lines_of(f.write("filled.gz", one + two + std::string(512, '\0'))), (Lines{"one", "two", "three"}));
  for (const std::string& rest : {std::string("three\n"), std::string("\x1f"), std::string("\0\0x", 3)})
    test::expect_mentions(test::error_of([&] { lines_of(f.write("more.gz", one + rest)); }),
                          {"more.gz: byte 6 of its content", "not compressed follow"});
  test::expect_mentions(test::error_of([&] { lines_of(f.write("cut.gz", one + two.substr(0, 12))); }), {"cut off"});
}

// A chunk of the reader is 1 MiB; the line here ends beyond the first one.
TEST(TextLines, LinesMayBeLongerThanAChunk) {
  const test::TempFolder f;
  const std::string line((1 << 20) + 7, 'x');
  EXPECT_EQ(lines_of(f.write("a", line + "\ny\n")), (Lines{line, "y"}));
}

TEST(TextLines, MistakesNameFileAndLine) {
  const test::TempFolder f;
  const auto complaint = [&](const std::string& path) { return test::error_of([&] { lines_of(path); }); };
  test::expect_mentions(complaint(f / "none"), {f / "none", "No such file"});
  test::expect_mentions(complaint(f.path()), {"is a folder"});
  test::expect_mentions(complaint(f.write("empty", "")), {"is empty"});
  test::expect_mentions(complaint(f.write("latin", "one\ntw\xF6 \n")), {"latin:2: byte 6", "0xf6"});
  test::expect_mentions(complaint(f.write("nul", std::string("a\nb\0", 4))), {"nul:2: byte 3", "NUL"});
  const std::string whole = bytes_of(zipped(f, "whole.gz", std::string(5000, 'a') + "\nend\n"));
  test::expect_mentions(complaint(f.write("cut.gz", whole.substr(0, whole.size() - 9))), {"cut.gz", "cut off"});
}

// "é" is E9 in Latin-1, and begins a character of three bytes in UTF-8. A line that ends with it was told as a file that is
// cut off; the last one may be.
TEST(TextLines, ALatin1LetterAtTheEndOfALineIsNoCutOffFile) {
  const test::TempFolder f;
  for (const char* end : {"\n", "\r\n", "\r"}) {
    const std::string message = test::error_of([&] { lines_of(f.write("latin", "caf\xE9" + std::string(end) + "b\n")); });
    test::expect_mentions(message, {"latin:1: byte 3", "must be UTF-8", "0xe9"});
  }
  test::expect_mentions(test::error_of([&] { lines_of(f.write("cut", "b\ncaf\xE9")); }), {"cut:2: byte 5", "cut off"});
}

// "ö" is F6 in Latin-1 and C3 B6 in UTF-8; a line that is UTF-8 already stays as it is.
TEST(TextLines, Latin1LinesBecomeUtf8WhereAllowed) {
  const test::TempFolder f;
  EXPECT_EQ(lines_of(f.write("a", "tw\xF6\ntw\xC3\xB6\n"), Charset::utf8_or_latin1), (Lines{"tw\xC3\xB6", "tw\xC3\xB6"}));
}

TEST(TextRecords, CommaSeparatedFollowsRfc4180) {
  const test::TempFolder f;
  EXPECT_EQ(records_of(f.write("a.csv", "\"a\",\"b, \"\"c\"\"\",d\n\n,,\n\"x\ny\",\"\"\n"), ','),
            (std::vector<Lines>{{"a", "b, \"c\"", "d"}, {"", "", ""}, {"x\ny", ""}}));
}

TEST(TextRecords, TabSeparatedTakesQuotesAsTheyAre) {
  const test::TempFolder f;
  EXPECT_EQ(records_of(f.write("a.tsv", "\"a\t\tb\"\n"), '\t'), (std::vector<Lines>{{"\"a", "", "b\""}}));
}

TEST(TextRecords, StrayQuotesAreErrorsWithTheirLine) {
  const test::TempFolder f;
  test::expect_mentions(test::error_of([&] { records_of(f.write("a.csv", "a,b\n\"open,c\nd,e\n"), ','); }),
                        {"a.csv:2", "never closed"});
  test::expect_mentions(test::error_of([&] { records_of(f.write("b.csv", "\"a\"b,c\n"), ','); }), {"b.csv:1", "separator"});
  std::string long_file = "\"open\n";
  for (int k = 0; k < 40000; ++k) long_file += "a,b\n";
  test::expect_mentions(test::error_of([&] { records_of(f.write("c.csv", long_file), ','); }), {"c.csv:1", "never closed"});
}

std::string quoted(const std::string& field) {
  std::string out = "\"";
  for (const char c : field) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

// Whatever stands in the fields, quoting and reading gives it back.
RC_GTEST_PROP(TextRecords, QuotedFieldsComeBack, ()) {
  const auto field = rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab,\"\n\t ")));
  const auto record = *rc::gen::nonEmpty(rc::gen::container<Lines>(field));
  std::string text;
  for (const std::string& f : record) text += (text.empty() ? "" : ",") + quoted(f);
  const test::TempFolder folder;
  RC_ASSERT(records_of(folder.write("a.csv", text + "\n"), ',') == std::vector<Lines>{record});
}

// ---- words ----

TEST(Words, RunsOfLettersDigitsApostrophesAndEveryOtherCharacterAlone) {
  EXPECT_EQ(split_words("Don't  stop@home!! caf\xC3\xA9", false, true),
            (Lines{"don't", "stop", "@", "home", "!", "!", "caf\xC3\xA9"}));
  EXPECT_EQ(split_words(" A b! ", true, false), (Lines{"A", "b!"}));
}

TEST(Words, LeavesOfAParseAreItsWords) {
  EXPECT_EQ(parse_leaves("( ( A person ) ( runs . ) )", true), (Lines{"a", "person", "runs", "."}));
}

// ---- readers ----

Values values(const std::string& name, const std::string& root) {
  return test::row_values(find_dataset(name), {{"root", root}});
}

Lines words_at(const LabelledText& t, const Texts& texts, int64_t k) {
  Lines words;
  for (const int32_t w : texts[k]) words.push_back(t.words[static_cast<size_t>(w)]);
  return words;
}

std::string row(const std::string& gold, const std::string& a, const std::string& b) {
  return "{\"gold_label\": \"" + gold + "\", \"sentence1\": \"x\", \"sentence1_binary_parse\": \"" + a +
         "\", \"sentence2\": \"" + b + "\"}\n";
}

struct Snli : testing::Test {
  test::TempFolder f;
  void json(const std::string& train) {
    f.write("snli_1.0_train.jsonl", train);
    f.write("snli_1.0_dev.jsonl", row("contradiction", "( A dog )", "Runs."));
    f.write("snli_1.0_test.jsonl", row("neutral", "( A cat )", "Runs."));
  }
  LabelledText load() { return load_labelled_text(values("snli", f.path())); }
};

// "a" 3, "dog" 3, "." 1, "Runs" 1: by falling count, then in byte order.
TEST_F(Snli, OriginalFilesGiveParseLeavesAndDropPairsWithoutAgreement) {
  json(row("contradiction", "( a ( a dog ) )", "dog Runs.") + row("-", "( b )", "b") + "\n" +
       row("neutral", "( dog )", "a"));
  const LabelledText t = load();
  EXPECT_EQ(t.classes, (Lines{"entailment", "neutral", "contradiction"}));
  EXPECT_EQ(t.words, (Lines{"<unk>", "a", "dog", ".", "Runs"}));
  ASSERT_EQ(t.train.size(), 2);
  EXPECT_EQ(t.train.left_out, 1);
  EXPECT_EQ(t.train.labels, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(words_at(t, t.train.first, 0), (Lines{"a", "a", "dog"}));
  EXPECT_EQ(words_at(t, t.train.second, 0), (Lines{"dog", "Runs", "."}));
  EXPECT_EQ(words_at(t, t.valid.first, 0), (Lines{"<unk>", "dog"}));
  EXPECT_EQ(t.test.labels, (std::vector<int64_t>{1}));
  EXPECT_TRUE(t.train.users.empty());
  EXPECT_FALSE(t.vectors.defined());
}

TEST_F(Snli, MistakesInARowNameFileAndLine) {
  json(row("neutral", "( a )", "b") + "{\"gold_label\": \n");
  test::expect_mentions(test::error_of([&] { load(); }), {"snli_1.0_train.jsonl:2", "JSON"});
  json(row("sideways", "( a )", "b"));
  test::expect_mentions(test::error_of([&] { load(); }), {"train.jsonl:1", "entailment", "got \"sideways\""});
  json("{\"gold_label\": \"neutral\", \"sentence1\": \"x\"}\n");
  test::expect_mentions(test::error_of([&] { load(); }), {"train.jsonl:1", "\"sentence2\""});
  json(row("-", "( a )", "b"));
  test::expect_mentions(test::error_of([&] { load(); }), {"train.jsonl", "has none"});
}

struct SnliLines : Snli {
  SnliLines() {
    for (const char* split : {"train", "dev", "test"}) {
      f.write(std::string("s1.") + split, "A dog . \nA cat . \n");
      f.write(std::string("s2.") + split, "It runs . \nIt sits . \n");
      f.write(std::string("labels.") + split, "neutral\nentailment\n");
    }
  }
};

TEST_F(SnliLines, LineKOfEachFileBelongsTogether) {
  const LabelledText t = load();
  EXPECT_EQ(t.train.labels, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(words_at(t, t.train.second, 1), (Lines{"It", "sits", "."}));
}

TEST_F(SnliLines, PairsWithoutAgreementAreLeftOutOfAllThree) {
  f.write("labels.dev", "-\nentailment\n");
  const LabelledText t = load();
  EXPECT_EQ(t.valid.labels, (std::vector<int64_t>{0}));
  ASSERT_EQ(t.valid.first.size(), 1);
  EXPECT_EQ(words_at(t, t.valid.first, 0), (Lines{"A", "cat", "."}));
}

TEST_F(SnliLines, FilesMustBeEquallyLong) {
  f.write("s2.dev", "It runs .\n");
  test::expect_mentions(test::error_of([&] { load(); }), {"s2.dev", "as many lines as", "labels.dev (2)", "got 1"});
}

TEST_F(SnliLines, MaxSamplesCountsTrainingPairsOnly) {
  f.write("s1.train", "A .\nB .\nC .\nD .\n");
  f.write("s2.train", "a .\nb .\nc .\nd .\n");
  f.write("labels.train", "neutral\nentailment\nneutral\nentailment\n");
  Values v = values("snli", f.path());
  v.set("max_samples", int64_t{3});
  const LabelledText t = load_labelled_text(v);
  EXPECT_EQ(t.train.size(), 3);
  EXPECT_EQ(t.train.second.size(), 3);
  EXPECT_EQ(t.valid.size(), 2);
}

struct Sentiment : testing::Test {
  test::TempFolder f;
  static std::string tweet(int polarity, const std::string& user, const std::string& text) {
    return "\"" + std::to_string(polarity) + "\",\"1\",\"Mon\",\"NO_QUERY\",\"" + user + "\",\"" + text + "\"\n";
  }
  Values keys() {
    Values v = values("sentiment140", f.path());
    v.set("valid_every", int64_t{3});
    return v;
  }
  void files(const std::string& train) {
    f.write("training.1600000.processed.noemoticon.csv", train);
    f.write("testdata.manual.2009.06.14.csv", tweet(2, "n", "so so") + tweet(4, "p", "good"));
  }
};

// Rows 3 is held out; users in order of first appearance, those of held-out rows included; neutral rows are none.
TEST_F(Sentiment, UsersLabelsAndHeldOutRows) {
  files(tweet(0, "ann", "bad") + tweet(4, "bob", "GOOD") + tweet(4, "eve", "good") + tweet(4, "ann", "caf\xE9"));
  const LabelledText t = load_labelled_text(keys());
  EXPECT_EQ(t.train.labels, (std::vector<int64_t>{0, 1, 1}));
  EXPECT_EQ(t.train.users, (std::vector<int64_t>{0, 1, 0}));
  EXPECT_EQ(t.valid.users, (std::vector<int64_t>{2}));
  EXPECT_EQ(words_at(t, t.train.first, 1), (Lines{"good"}));
  EXPECT_EQ(words_at(t, t.train.first, 2), (Lines{"caf\xC3\xA9"}));
  EXPECT_EQ(t.test.labels, (std::vector<int64_t>{1}));
}

TEST_F(Sentiment, MistakesNameFileAndLine) {
  files(tweet(0, "ann", "bad") + tweet(3, "bob", "odd"));
  test::expect_mentions(test::error_of([&] { load_labelled_text(keys()); }), {"noemoticon.csv:2", "0, 2 or 4", "got \"3\""});
  files("\"0\",\"1\"\n");
  test::expect_mentions(test::error_of([&] { load_labelled_text(keys()); }), {"noemoticon.csv:1", "six fields", "got 2"});
  files(tweet(0, "ann", "bad") + tweet(4, " ", "good"));
  test::expect_mentions(test::error_of([&] { load_labelled_text(keys()); }), {"noemoticon.csv:2", "user"});
}

TEST_F(Sentiment, BlanksAroundUsersDoNotCount) {
  files(tweet(0, "ann", "bad") + tweet(4, "ann ", "good") + tweet(4, "eve", "good") + tweet(0, "bob", "bad"));
  EXPECT_EQ(load_labelled_text(keys()).train.users, (std::vector<int64_t>{0, 0, 2}));
}

struct OwnFiles : testing::Test {
  test::TempFolder f;
  OwnFiles() {
    for (const char* split : {"train", "valid", "test"})
      f.write(std::string(split) + ".tsv", "text\tlabel\twho\nb b a\tred\tx\nb c\tblue\ty\n");
  }
  LabelledText load(const std::vector<std::pair<std::string, Value>>& more = {}) {
    Values v = values("labelled-text", f.path());
    for (const auto& [key, value] : more) v.set(key, value);
    return load_labelled_text(v);
  }
};

TEST_F(OwnFiles, ClassesAreInByteOrderAndColumnsFoundByTitle) {
  const LabelledText t = load({{"column.user", std::string("who")}});
  EXPECT_EQ(t.classes, (Lines{"blue", "red"}));
  EXPECT_EQ(t.train.labels, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(t.train.users, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(t.words, (Lines{"<unk>", "b", "a", "c"}));
}

TEST_F(OwnFiles, MistakesNameTheColumnTheLabelAndTheFile) {
  test::expect_mentions(test::error_of([&] {
                          load({{"column.text", std::string("body")}});
                        }),
                        {"train.tsv:1", "\"body\" (data.column.text)", "\"text\", \"label\""});
  f.write("valid.tsv", "text\tlabel\nb\tgreen\n");
  test::expect_mentions(test::error_of([&] { load(); }), {"valid.tsv:2", "\"blue\", \"red\"", "got \"green\""});
  f.write("valid.tsv", "text\tlabel\nb\n");
  test::expect_mentions(test::error_of([&] { load(); }), {"valid.tsv:2", "must have 2 fields, as the header, got 1"});
  std::filesystem::remove(f / "valid.tsv");
  test::expect_mentions(test::error_of([&] { load(); }), {"valid.tsv", "does not exist", "valid split"});
}

TEST_F(OwnFiles, RareAndLateWordsAreUnknownOrDropped) {
  const LabelledText rare = load({{"min_count", int64_t{2}}});
  EXPECT_EQ(rare.words, (Lines{"<unk>", "b"}));
  EXPECT_EQ(words_at(rare, rare.train.first, 1), (Lines{"b", "<unk>"}));
  const LabelledText few = load({{"max_words", int64_t{2}}, {"unknown", std::string("drop")}});
  EXPECT_EQ(few.words, (Lines{"<unk>", "b", "a"}));
  EXPECT_EQ(words_at(few, few.train.first, 1), (Lines{"b"}));
}

// A vocabulary that had it twice would give all words behind it other numbers when it is read again.
TEST_F(OwnFiles, TheTextsOwnUnkIsTheUnknownWord) {
  f.write("train.tsv", "text\tlabel\nb <unk> <unk> a\tred\nb c\tblue\n");
  const LabelledText t = load({{"tokens", std::string("spaces")}});
  EXPECT_EQ(t.words, (Lines{"<unk>", "b", "a", "c"}));
  EXPECT_EQ(words_at(t, t.train.first, 0), (Lines{"b", "<unk>", "<unk>", "a"}));
}

// "reviews.csv" is a folder here, as some programs name what they write.
TEST_F(OwnFiles, TheFoldersNameIsNoKindOfFile) {
  const std::string folder = f / "reviews.csv";
  for (const char* split : {"train", "valid", "test"})
    f.write("reviews.csv/" + std::string(split) + ".tsv", "text\tlabel\nb\tred\nc\tblue\n");
  EXPECT_EQ(load_labelled_text(values("labelled-text", folder)).train.size(), 2);
}

// A packed table, newer perhaps, was left out without a word.
TEST_F(OwnFiles, APackedTableBesideThePlainOneIsAnError) {
  zipped(f, "train.tsv.gz", "text\tlabel\nb\tred\nc\tblue\nd\tblue\n");
  test::expect_mentions(test::error_of([&] { load(); }),
                        {f / "train.tsv", "must not lie beside train.tsv.gz", "data.train_file names the one to read"});
  EXPECT_EQ(load({{"train_file", std::string("train.tsv.gz")}}).train.size(), 3);
}

TEST_F(OwnFiles, LongTextsAreCutAndEmptyOnesAreOneUnknownWord) {
  f.write("train.tsv", "text\tlabel\nb b a\tred\n\tblue\n");
  const LabelledText t = load({{"max_length", int64_t{2}}});
  EXPECT_EQ(words_at(t, t.train.first, 0), (Lines{"b", "b"}));
  EXPECT_EQ(words_at(t, t.train.first, 1), (Lines{"<unk>"}));
}

TEST_F(OwnFiles, PairsHaveTwoTextsEach) {
  for (const char* split : {"train", "valid", "test"})
    f.write(std::string(split) + ".csv", "label,sentence1,sentence2\nyes,a b,c\nno,\"d, e\",f\n");
  for (const char* split : {"train", "valid", "test"}) std::filesystem::remove(f / (std::string(split) + ".tsv"));
  const LabelledText t = load_labelled_text(values("labelled-pairs", f.path()));
  EXPECT_EQ(words_at(t, t.train.first, 1), (Lines{"d", ",", "e"}));
  EXPECT_EQ(words_at(t, t.train.second, 1), (Lines{"f"}));
}

// ---- vectors ----

TEST_F(OwnFiles, WithVectorsTheVocabularyIsTheWordsThatHaveOne) {
  f.write("test.tsv", "text\tlabel\nd e\tred\n");
  f.write("v.txt", "b 1 2\nzebra 3 4\nd -0.5 1e-1\n");
  const LabelledText t = load({{"vectors", std::string("v.txt")}});
  EXPECT_EQ(t.words, (Lines{"<unk>", "b", "d"}));  // d stands in the test texts only
  EXPECT_EQ(t.vectors.sizes().vec(), (std::vector<int64_t>{3, 2}));
  const float* v = t.vectors.data_ptr<float>();
  EXPECT_EQ(std::vector<float>(v, v + 6), (std::vector<float>{0, 0, 1, 2, -0.5, 0.1f}));
  EXPECT_EQ(words_at(t, t.test.first, 0), (Lines{"d", "<unk>"}));
}

std::unordered_map<std::string, std::vector<float>> vectors(const std::string& path, const Lines& words) {
  std::unordered_map<std::string, int64_t> wanted;
  for (const std::string& w : words) wanted[w] = 0;
  return read_word_vectors(path, wanted).found;
}

TEST(WordVectorFiles, WordsWithSpacesHeadersAndRepetitions) {
  const test::TempFolder f;
  const auto v = vectors(f.write("v", "4 2\n. 1 2\n. . 3 4\n. 5 6\na 7 8 \n"), {".", "a", ". ."});
  EXPECT_EQ(v.at("."), (std::vector<float>{1, 2}));
  EXPECT_EQ(v.at(". ."), (std::vector<float>{3, 4}));
  EXPECT_EQ(v.at("a"), (std::vector<float>{7, 8}));
}

TEST(WordVectorFiles, MistakesNameFileAndLine) {
  const test::TempFolder f;
  test::expect_mentions(test::error_of([&] { vectors(f.write("v", "a 1 2\nb 1\n"), {"b"}); }),
                        {"v:2", "2 numbers", "got 1"});
  test::expect_mentions(test::error_of([&] { vectors(f.write("v", "a 1 2\nb 1 x\n"), {"b"}); }),
                        {"v:2", "number 2 is malformed"});
  test::expect_mentions(test::error_of([&] { vectors(f.write("v", "3 2\na 1 2\nb 1 2\n"), {"a"}); }),
                        {"v: is cut off", "promises 3 words, got 2"});
  EXPECT_EQ(vectors(f.write("v", "a 1 2\nb 1 x\n"), {"a"}).size(), 1u);  // a word nobody asked for is not looked at
}

// ---- real files, where they are at hand ----

TEST(RealFiles, HaveTheKnownNumbersOfPairs) {
  const char* folder = std::getenv("TACET_DATA");
  if (!folder) GTEST_SKIP() << "TACET_DATA is not set: real SNLI files are not compared";
  const std::string from = std::string(folder) + "/snli/infersent-format/";
  if (!std::filesystem::exists(from + "s1.dev")) GTEST_SKIP() << "no s1.dev below TACET_DATA/snli";
  const test::TempFolder f;
  for (const char* name : {"s1.", "s2.", "labels."}) {
    std::filesystem::create_symlink(from + name + "dev", f / (std::string(name) + "dev"));
    std::filesystem::create_symlink(from + name + "dev", f / (std::string(name) + "train"));
    std::filesystem::create_symlink(from + name + "test", f / (std::string(name) + "test"));
  }
  const LabelledText t = load_labelled_text(values("snli", f.path()));
  EXPECT_EQ(t.valid.size(), 9842);  // the official counts of pairs with a gold label
  EXPECT_EQ(t.test.size(), 9824);
}

}  // namespace
}  // namespace tacet
