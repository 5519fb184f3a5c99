// Tables of texts as other programs and careless hands write them: nothing is dropped, merged or cut without a word.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "data/files/lines.h"
#include "data/files/table.h"
#include "data/text/corpus.h"
#include "data/text/labelled_text.h"
#include "data/text/word_vectors.h"
#include "support/error_of.h"
#include "support/python_script.h"
#include "support/row_values.h"
#include "support/temp_folder.h"
#include "tacet/registry.h"

namespace tacet::tables_test {
namespace {

using Fields = std::vector<std::string>;

std::vector<Fields> records_in(const std::string& path) {
  std::vector<Fields> all;
  for_each_record(path, path.ends_with(".csv") ? ',' : '\t', [&](const Fields& f, int64_t) { all.push_back(f); });
  return all;
}

Fields lines_in(const std::string& path, LineEnds ends = LineEnds::any) {
  Fields all;
  for_each_line(
      path, [&](std::string_view line, int64_t) { all.emplace_back(line); }, Charset::utf8, ends);
  return all;
}

// ---- line ends ----

TEST(LineEndsOf, EveryConventionGivesTheSameLines) {
  const test::TempFolder f;
  for (const char* text : {"a b\nc\n\nd\n", "a b\r\nc\r\n\r\nd\r\n", "a b\rc\r\rd\r", "a b\rc\n\rd", "a b\r\nc\r\rd"})
    EXPECT_EQ(lines_in(f.write("t", text)), (Fields{"a b", "c", "", "d"})) << text;
  EXPECT_EQ(lines_in(f.write("t", "a\rb\nc\r\n"), LineEnds::newline), (Fields{"a\rb", "c"}));
}

// The first chunk of the reader is 1 MiB: one line end lies across its border.
TEST(LineEndsOf, AnEndMayLieAcrossTheBorderOfAChunk) {
  const test::TempFolder f;
  const std::string line((1 << 20) - 1, 'x');
  EXPECT_EQ(lines_in(f.write("t", line + "\r\nb\r\n")), (Fields{line, "b"}));
  EXPECT_EQ(lines_in(f.write("t", line + "\rb\r")), (Fields{line, "b"}));
}

TEST(LineEndsOf, MistakesNameTheLineAndTheByteInEachConvention) {
  const test::TempFolder f;
  test::expect_mentions(test::error_of([&] { lines_in(f.write("cr", "ab\rcd\r\xFF\r")); }), {"cr:3: byte 6"});
  test::expect_mentions(test::error_of([&] { lines_in(f.write("crlf", "ab\r\ncd\r\n\xFF\r\n")); }), {"crlf:3: byte 8"});
  f.write("train.txt", "ab\rcd\r\xFF\r");
  test::expect_mentions(test::error_of([&] { read_ptb_layout(f.path()); }), {"train.txt:3: byte 6"});
}

TEST(LineEndsOf, ACorpusHasTheSameTokensInEachConvention) {
  std::vector<Corpus> read;
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    const test::TempFolder f;
    for (const char* split : {"train", "valid", "test"})
      f.write(std::string(split) + ".txt", "a b" + end + end + "b c" + end);
    read.push_back(read_ptb_layout(f.path()));
  }
  EXPECT_EQ(read[0].train.size(), 7u);
  for (const Corpus& c : read) {
    EXPECT_EQ(c.vocabulary, read[0].vocabulary);
    EXPECT_EQ(c.train, read[0].train);
  }
}

// ---- records ----

// 3,000 lines and 3 MB in one field: no limit stands in the way, and the time grows with the length, not its square.
TEST(Records, AQuotedFieldMayBeOfAnyLength) {
  const test::TempFolder f;
  std::string text;
  for (int k = 0; k < 3000; ++k) text += std::string(1000, 'x') + (k % 2 ? "\n" : "\r\n");
  EXPECT_EQ(records_in(f.write("a.csv", "text,label\n\"" + text + "\",pos\n")),
            (std::vector<Fields>{{"text", "label"}, {text, "pos"}}));
}

TEST(Records, LineEndsInsideQuotesStayAsTheyAre) {
  const test::TempFolder f;
  EXPECT_EQ(records_in(f.write("a.csv", "a,b\r\"1\n2\r3\r\n4\",c\r")),
            (std::vector<Fields>{{"a", "b"}, {"1\n2\r3\r\n4", "c"}}));
}

TEST(Records, AMistakeInAQuotedFieldNamesWhereItBegins) {
  const test::TempFolder f;
  test::expect_mentions(test::error_of([&] { records_in(f.write("a.csv", "a,b\nc,\"open\nd,e\n\"f\",g\n")); }),
                        {"a.csv:4", "followed by the separator, got \"f\"", "begins in line 2"});
  test::expect_mentions(test::error_of([&] { records_in(f.write("a.csv", "a,b\n\"c\nd\",\"open\ne,f\n")); }),
                        {"a.csv:3", "never closed"});
}

TEST(Records, TabSeparatedQuotesMeanWhatTheWholeFileSays) {
  const struct {
    const char *what, *text;
    std::vector<Fields> want;
  } rows[] = {
      {"as pandas writes them",
       "t\tl\n\"say \"\"hi\"\"\"\tpos\n\"one\ntwo\"\tneg\n\"a\tb\"\tpos\n",
       {{"t", "l"}, {"say \"hi\"", "pos"}, {"one\ntwo", "neg"}, {"a\tb", "pos"}}},
      {"every field quoted", "\"t\"\t\"l\"\n\"a\"\t\"pos\"\n", {{"t", "l"}, {"a", "pos"}}},
      {"plain text that begins with a quote",
       "t\tl\n\"Hi\", he said\tpos\n\"b\"\tneg\n",
       {{"t", "l"}, {"\"Hi\", he said", "pos"}, {"\"b\"", "neg"}}},
      {"an inch", "t\tl\n5\" screen\tpos\n", {{"t", "l"}, {"5\" screen", "pos"}}},
      {"a quote that no other closes", "t\tl\n\"Hi\tpos\nb\tneg\n", {{"t", "l"}, {"\"Hi", "pos"}, {"b", "neg"}}},
      {"a quotation over two rows", "t\tl\n\"Hi\tpos\nthere\"\tneg\n", {{"t", "l"}, {"\"Hi", "pos"}, {"there\"", "neg"}}},
  };
  const test::TempFolder f;
  for (const auto& row : rows) EXPECT_EQ(records_in(f.write("a.tsv", row.text)), row.want) << row.what;
}

// Every table that Python's csv (and pandas, where it is installed) writes is read as it was.
TEST(Records, TablesOfPythonComeBack) {
  const test::TempFolder f;
  for (const int seed : {1, 2, 3}) {
    const int code = test::run_python(PROJECT_FOLDER "/tests/data/write_tables.py",
                                      f.path() + " " + std::to_string(seed) + " > " + (f / "said"));
    if (code == test::kNoPython) GTEST_SKIP() << "there is no /usr/bin/python3";
    ASSERT_EQ(code, 0);
    int tables = 0;
    for (const auto& entry : std::filesystem::directory_iterator(f.path())) {
      const std::string path = entry.path().string();
      if (!path.ends_with(".csv") && !path.ends_with(".tsv")) continue;
      ++tables;
      std::vector<Fields> want;
      for (const std::string& line : lines_in(path + ".want")) {
        Fields& record = want.emplace_back();
        for (const char c : line) {
          if (c == '.') record.emplace_back();
          if (c != '.' && c != ' ') record.back() += c;
        }
        for (std::string& hex : record) {
          std::string bytes;
          for (size_t k = 0; k < hex.size(); k += 2) bytes += static_cast<char>(std::stoi(hex.substr(k, 2), nullptr, 16));
          hex = bytes;
        }
      }
      EXPECT_EQ(records_in(path), want) << path << " of seed " << seed;
    }
    EXPECT_GE(tables, 18);
  }
  std::printf("tables of Python's csv and %s\n", lines_in(f / "said")[0].c_str());
}

// ---- rows that do not fit their header ----

struct Folder : testing::Test {
  test::TempFolder f;
  // Writes the three splits of a table.
  void tables(const std::string& end, const std::string& text) {
    for (const char* split : {"train", "valid", "test"}) f.write(split + end, text);
  }
  LabelledText load(const std::string& name, const std::vector<std::pair<std::string, Value>>& more = {}) {
    Values v = test::row_values(find_dataset(name), {{"root", f.path()}});
    for (const auto& [key, value] : more) v.set(key, value);
    return load_labelled_text(v);
  }
  std::string complaint(const std::string& name, const std::vector<std::pair<std::string, Value>>& more = {}) {
    return test::error_of([&] { load(name, more); });
  }
};

TEST_F(Folder, ARowThatDoesNotFitItsHeaderIsAnErrorWithFileAndLine) {
  const struct {
    const char *what, *set, *end, *good, *bad;
    std::vector<std::string> mentions;
  } rows[] = {
      {"a comma in a text before the label",
       "labelled-text",
       ".csv",
       "text,label\na,pos\nb,neg\n",
       "c, d,pos\n",
       {".csv:4", "must have 2 fields", "got 3", "comma", "double quotes"}},
      {"a comma in a text after the label",
       "labelled-text",
       ".csv",
       "label,text\npos,a\nneg,b\n",
       "pos,c, d\n",
       {".csv:4", "got 3"}},
      {"a column that nobody reads",
       "labelled-text",
       ".csv",
       "label,text,date\npos,a,1\nneg,b,2\n",
       "pos,c, d,3\n",
       {".csv:4", "got 4"}},
      {"too few",
       "labelled-text",
       ".csv",
       "text,label,date\na,pos,1\nb,neg,2\n",
       "c,pos\n",
       {".csv:4", "must have 3 fields", "got 2"}},
      {"a tab in a text",
       "labelled-text",
       ".tsv",
       "text\tlabel\na\tpos\nb\tneg\n",
       "c\td\tpos\n",
       {".tsv:4", "got 3", "tab"}},
      {"a row of another file", "labelled-text", ".tsv", "text\tlabel\na\tpos\nb\tneg\n", "c,pos\n", {".tsv:4", "got 1"}},
      {"a pair without its second text",
       "labelled-pairs",
       ".csv",
       "label,sentence1,sentence2\npos,a,b\nneg,a,b\n",
       "pos,a\n",
       {".csv:4", "must have 3 fields", "got 2"}},
      {"a pair with a comma",
       "labelled-pairs",
       ".csv",
       "label,sentence1,sentence2\npos,a,b\nneg,a,b\n",
       "pos,a,b, c\n",
       {".csv:4", "got 4"}},
      {"a title twice",
       "labelled-text",
       ".csv",
       "text,label,text\na,pos,b\na,neg,b\n",
       "",
       {".csv:1", "\"text\" (data.column.text) once"}},
  };
  for (const auto& row : rows)
    for (const char* split : {"train", "valid", "test"}) {
      SCOPED_TRACE(std::string(row.what) + ", " + split);
      tables(row.end, row.good);
      f.write(std::string(split) + row.end, std::string(row.good) + row.bad);
      std::vector<std::string> mentions = row.mentions;
      if (*row.bad) mentions[0] = split + mentions[0];
      test::expect_mentions(complaint(row.set), mentions);
      for (const char* each : {"train", "valid", "test"}) std::filesystem::remove(f / (std::string(each) + row.end));
    }
}

// ---- labels ----

TEST_F(Folder, AnEmptyLabelOrUserIsAnErrorWithFileAndLine) {
  for (const char* empty : {"", " ", "\t", "\xC2\xA0"})
    for (const char* split : {"train", "valid", "test"}) {
      const std::string good = "text,label,who\na,pos,x\nb,neg,y\n";
      tables(".csv", good);
      f.write(std::string(split) + ".csv", good + "c," + empty + ",x\n");
      test::expect_mentions(complaint("labelled-text"), {std::string(split) + ".csv:4", "the label must be given"});
      f.write(std::string(split) + ".csv", good + "c,pos," + empty + "\n");
      test::expect_mentions(complaint("labelled-text", {{"column.user", std::string("who")}}),
                            {std::string(split) + ".csv:4", "the user must be given"});
    }
}

TEST_F(Folder, BlanksAroundLabelsUsersAndTitlesDoNotCount) {
  tables(".csv", "text, label ,who\na,pos ,x\nb, neg, x\nc,\xC2\xA0pos,y\nd,\"\tneg\",y \n");
  const LabelledText t = load("labelled-text", {{"column.user", std::string("who")}});
  EXPECT_EQ(t.classes, (Fields{"neg", "pos"}));
  EXPECT_EQ(t.train.labels, (std::vector<int64_t>{1, 0, 1, 0}));
  EXPECT_EQ(t.train.users, (std::vector<int64_t>{0, 0, 1, 1}));
}

TEST_F(Folder, MessagesShowControlCharactersOfALabelEscaped) {
  tables(".csv", "text,label\na,pos\nb,neg\n");
  f.write("valid.csv", "text,label\na,\"\x1B[31mred\"\n");
  const std::string said = complaint("labelled-text");
  test::expect_mentions(said, {"valid.csv:2", "\"\\u001B[31mred\""});
  EXPECT_EQ(said.find('\x1B'), std::string::npos);
}

// ---- degenerate data ----

TEST_F(Folder, AClassThatIsNotInTheTrainingTextsIsAnErrorWithFileAndLine) {
  tables(".tsv", "text\tlabel\na\tpos\nb\tneg\n");
  f.write("test.tsv", "text\tlabel\na\tpos\nb\tneg\nc\tnew\n");
  test::expect_mentions(complaint("labelled-text"), {"test.tsv:4", "\"neg\", \"pos\"", "got \"new\""});
  for (const char* split : {"train", "dev", "test"}) {
    f.write(std::string("labels.") + split, "neutral\nentailment\n");
    for (const char* side : {"s1.", "s2."}) f.write(std::string(side) + split, "a\nb\n");
  }
  f.write("labels.dev", "neutral\ncontradiction\n");
  test::expect_mentions(complaint("snli"), {"labels.dev:2", "\"contradiction\"", "labels.train"});
}

TEST_F(Folder, OneClassInAllIsAnError) {
  tables(".tsv", "text\tlabel\na\tpos\nb\tpos\n");
  test::expect_mentions(complaint("labelled-text"), {"train.tsv", "at least two different labels", "got 1"});
  for (const char* split : {"train", "dev", "test"}) {
    f.write(std::string("labels.") + split, "neutral\nneutral\n");
    for (const char* side : {"s1.", "s2."}) f.write(std::string(side) + split, "a\nb\n");
  }
  test::expect_mentions(complaint("snli"), {"labels.train", "at least two classes", "only \"neutral\""});
}

TEST_F(Folder, AnEmptySplitIsAnErrorThatNamesItsFile) {
  for (const char* split : {"train", "valid", "test"}) {
    tables(".csv", "text,label\na,pos\nb,neg\n");
    f.write(std::string(split) + ".csv", "text,label\n\n");
    test::expect_mentions(complaint("labelled-text"), {std::string(split) + ".csv"});
  }
}

// A file sorted by label, as Sentiment140 is: 300 negative rows, then 300 positive ones.
struct Sorted : Folder {
  static constexpr int rows = 600;
  static std::string tweet(int k) {
    return std::string(k < rows / 2 ? "\"0\"" : "\"4\"") + ",\"1\",\"d\",\"q\",\"user" + std::to_string(k / 4) +
           "\",\"word" + std::to_string(k) + " all\"\n";
  }
  Sorted() {
    std::string all;
    for (int k = 0; k < rows; ++k) all += tweet(k);
    f.write("training.1600000.processed.noemoticon.csv", all);
    f.write("testdata.manual.2009.06.14.csv", tweet(0) + tweet(rows - 1));
  }
  LabelledText drawn(int64_t n, int64_t seed = 1) {
    return load("sentiment140", {{"max_samples", n}, {"partition.seed", seed}});
  }
};

// Were the head kept, the second class would have no text; of 100 drawn ones 25 to 75 but for a chance below 1e-6.
TEST_F(Sorted, MaxSamplesAreDrawnFromTheWholeFileByTheSeed) {
  const LabelledText t = drawn(100);
  ASSERT_EQ(t.train.size(), 100);
  const auto positive = std::count(t.train.labels.begin(), t.train.labels.end(), 1);
  EXPECT_GT(positive, 25);
  EXPECT_LT(positive, 75);
  EXPECT_EQ(drawn(100).train.first.words, t.train.first.words);
  EXPECT_NE(drawn(100, 2).words, t.words);
  EXPECT_TRUE(std::is_sorted(t.train.labels.begin(), t.train.labels.end()));  // the files' order stays
}

// Each text has a word of its own and "all": the vocabulary knows nothing of the texts that were not drawn.
TEST_F(Sorted, TextsThatAreNotDrawnLeaveNoTrace) {
  const LabelledText t = drawn(100);
  EXPECT_EQ(t.words.size(), 102u);
  EXPECT_EQ(t.train.users[0], 0);
  int64_t next = 0;
  for (const int64_t u : t.train.users) {
    EXPECT_LE(u, next);
    next = std::max(next, u + 1);
  }
  // With vectors, words of all splits are known: at most those of 100 texts, of 6 validation and 2 test texts, and <unk>.
  std::string vectors;
  for (int k = 0; k < rows; ++k) vectors += "word" + std::to_string(k) + " 1.0 2.0\n";
  f.write("v.txt", vectors);
  EXPECT_LE(load("sentiment140", {{"max_samples", int64_t{100}}, {"vectors", std::string("v.txt")}}).words.size(), 109u);
}

TEST_F(Sorted, MaxSamplesThatCutNothingChangeNothing) {
  const LabelledText all = drawn(0), same = drawn(rows);
  EXPECT_EQ(same.words, all.words);
  EXPECT_EQ(same.train.first.words, all.train.first.words);
  EXPECT_EQ(same.train.users, all.train.users);
}

TEST_F(Sorted, SoFewThatAClassIsMissingIsAnError) {
  test::expect_mentions(test::error_of([&] { drawn(1); }), {"data.max_samples = 1"});
}

TEST_F(Sorted, ValidationTextsThatNeverComeAreAnError) {
  test::expect_mentions(complaint("sentiment140", {{"valid_every", int64_t{601}}}),
                        {"data.valid_every", "600 rows", "got 601"});
}

TEST(Vectors, NumbersThatAreNotFiniteAreAnErrorWithFileAndLine) {
  const test::TempFolder f;
  for (const char* number : {"nan", "inf", "-inf", "NaN", "infinity", "1e99"})
    test::expect_mentions(test::error_of([&] {
                            read_word_vectors(f.write("v.txt", std::string("a 1 2\nb 1 ") + number + "\n"), {{"b", 0}});
                          }),
                          {"v.txt:2", "number 2 is "});
}

// A word may hold spaces, but what begins like a wanted word and goes on with a number is a line with a number too many.
TEST(Vectors, ALineWithAnotherNumberOfNumbersIsAnErrorWithFileAndLine) {
  const test::TempFolder f;
  const auto complaint = [&](const std::string& text) {
    return test::error_of([&] { read_word_vectors(f.write("v.txt", text), {{"b", 0}}); });
  };
  test::expect_mentions(complaint("a 1.0 2.0\nb 1.0 2.0 3.0\n"), {"v.txt:2", "2 numbers", "got 3"});
  test::expect_mentions(complaint("2 3\nb 1.0 2.0\na 1.0 2.0\n"), {"v.txt:2", "3 numbers", "got 2"});
  EXPECT_EQ(complaint("a 1.0 2.0\nb c 2.0 3.0\nb 000 1.0 2.0\n"), "");
}

}  // namespace
}  // namespace tacet::tables_test
