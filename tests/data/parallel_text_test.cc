// Parallel texts and subword vocabularies.
#include "data/text/parallel_text.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "support/environment.h"
#include "support/error_of.h"
#include "support/row_values.h"
#include "support/temp_folder.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

struct Parallel : testing::Test {
  test::TempFolder f;
  test::Environment home{"HOME", f / "home"};  // the cache of learned vocabularies
  Parallel() {
    for (const char* split : {"train", "val", "test_2016_flickr"}) {
      f.write(std::string(split) + ".de", german());
      f.write(std::string(split) + ".en", english());
    }
  }
  static std::string german() { return "Ein Hund l\xC3\xA4uft.\nZwei Hunde laufen.\n\nEin Mann und ein Hund.\n"; }
  static std::string english() { return "A dog runs.\nTwo dogs run.\nnothing\nA man and a dog.\n"; }
  Values keys() const { return test::row_values(find_dataset("multi30k"), {{"root", f.path()}, {"pieces", int64_t{60}}}); }
  ParallelText load(const std::vector<std::pair<std::string, Value>>& more = {}) const {
    Values v = keys();
    for (const auto& [key, value] : more) v.set(key, value);
    return load_parallel_text(v);
  }
  static std::vector<int32_t> at(const Texts& texts, int64_t k) { return {texts[k].begin(), texts[k].end()}; }
};

TEST_F(Parallel, TextsComeBackFromTheirPieces) {
  const ParallelText t = load();
  ASSERT_EQ(t.train.size(), 3);  // the pair with an empty side is left out
  EXPECT_EQ(t.subwords.decode(at(t.train.source, 0)), "Ein Hund l\xC3\xA4uft.");
  EXPECT_EQ(t.subwords.decode(at(t.train.target, 2)), "A man and a dog.");
  EXPECT_EQ(t.valid.size(), 3);  // of every split
  EXPECT_EQ(t.valid.references[2], "A man and a dog.");
  EXPECT_EQ(t.train.blank + t.valid.blank + t.test.blank, 3);
  EXPECT_EQ(t.notes.size(), 3u);
  EXPECT_TRUE(t.train.references.empty());
}

TEST_F(Parallel, SpecialPiecesStandInFrontAndAreNeverInAText) {
  const Subwords s = load().subwords;
  EXPECT_EQ(s.pad, 0);
  EXPECT_EQ(s.begin, 2);
  EXPECT_EQ(s.end, 3);
  EXPECT_LE(s.size(), 60);
  const auto texts = s.encode({"Two men </s> <s> <pad>"});
  for (const int32_t piece : texts[0]) EXPECT_TRUE(piece != 0 && piece != 2 && piece != 3);
}

// What SentencePiece's own program makes of the same pieces.
TEST_F(Parallel, DecodingIsThatOfSentencePiece) {
  load();
  const std::string model = std::filesystem::directory_iterator(f / "home/.cache/tacet/subwords")->path();
  const Subwords s = Subwords::from_file(model);
  for (const std::vector<int32_t>& pieces : {std::vector<int32_t>{5, 1, 9, 10},
                                             {1, 1},
                                             {2, 7, 8, 6, 3, 0},
                                             {20, 30, 21, 12},
                                             {4, 5, 6, 7, 8, 9, 10, 11, 12, 13}}) {
    std::string line;
    for (const int32_t piece : pieces) line += std::to_string(piece) + " ";
    const std::string out = f / "decoded";
    const std::string command =
        "spm_decode --model=" + model + " --input_format=id < " + f.write("ids", line + "\n") + " > " + out;
    ASSERT_EQ(std::system(command.c_str()), 0);
    std::ifstream in(out);
    std::string want;
    std::getline(in, want);
    EXPECT_EQ(s.decode(pieces), want) << line;
  }
}

TEST_F(Parallel, MissingProgramsAreTheUsersToInstall) {
  const test::Environment path("PATH", f.path());
  test::expect_mentions(test::error_of([&] { load(); }), {"sentencepiece", "spm_train", "not in $PATH"});
}

TEST_F(Parallel, ALearnedVocabularyIsAFunctionOfTheTextsAndIsKept) {
  const ParallelText first = load();
  const std::string kept = f / "home/.cache/tacet/subwords";
  ASSERT_TRUE(std::filesystem::exists(kept));
  const auto files = std::distance(std::filesystem::directory_iterator(kept), std::filesystem::directory_iterator{});
  EXPECT_EQ(files, 1);
  const ParallelText cached = load();
  std::filesystem::remove_all(kept);
  const ParallelText again = load();
  EXPECT_EQ(cached.train.source.words, first.train.source.words);
  EXPECT_EQ(again.train.source.words, first.train.source.words);
  load({{"pieces", int64_t{50}}});
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(kept), std::filesystem::directory_iterator{}), 2);
}

TEST_F(Parallel, ADamagedOrUnwritableCacheIsDoneWithout) {
  const auto words = load().train.source.words;
  for (const auto& entry : std::filesystem::directory_iterator(f / "home/.cache/tacet/subwords"))
    std::ofstream(entry.path(), std::ios::binary) << "not a model";
  EXPECT_EQ(load().train.source.words, words);
  std::filesystem::remove_all(f / "home");
  f.write("home", "a file where the folder should be");
  EXPECT_EQ(load().train.source.words, words);
}

TEST_F(Parallel, AModelOfOnesOwnIsUsed) {
  load();
  const auto kept = std::filesystem::directory_iterator(f / "home/.cache/tacet/subwords")->path();
  std::filesystem::copy(kept, f / "own.model");
  EXPECT_EQ(load({{"subwords", f / "own.model"}, {"pieces", int64_t{30}}}).subwords.size(), load().subwords.size());
  test::expect_mentions(test::error_of([&] {
                          load({{"subwords", f.write("bad.model", "text")}});
                        }),
                        {"bad.model", "SentencePiece"});
}

TEST_F(Parallel, LongPairsAreLeftOutOfTrainingAndLongSourcesCut) {
  const ParallelText all = load();
  size_t longest = 0;
  for (int64_t k = 0; k < 3; ++k) longest = std::max({longest, all.train.source[k].size(), all.train.target[k].size()});
  const ParallelText t = load({{"max_length", static_cast<int64_t>(longest) - 1}});
  EXPECT_LT(t.train.size(), 3);
  EXPECT_EQ(t.valid.size(), 3);
  for (int64_t k = 0; k < 3; ++k) EXPECT_LT(t.valid.source[k].size(), longest);
  test::expect_mentions(test::error_of([&] { load({{"max_length", int64_t{1}}}); }), {"data.max_length", "got 1"});
}

// One of the two was left out without a word. Those of a published set hold the same.
TEST_F(Parallel, APackedTextBesideThePlainOneIsAnErrorOfOnesOwnFiles) {
  gzFile out = gzopen((f / "train.de.gz").c_str(), "wb");
  gzwrite(out, german().data(), static_cast<unsigned>(german().size()));
  gzclose(out);
  EXPECT_EQ(load().train.size(), 3);
  const Values own = test::row_values(find_dataset("parallel-text"), {{"root", f.path()},
                                                                      {"source", std::string("de")},
                                                                      {"target", std::string("en")},
                                                                      {"valid", std::string("val")},
                                                                      {"test", std::string("test_2016_flickr")}});
  test::expect_mentions(test::error_of([&] { load_parallel_text(own); }),
                        {f / "train.de", "must not lie beside train.de.gz"});
}

TEST_F(Parallel, PreparedAndPackedFilesAreFound) {
  for (const char* split : {"train", "val", "test_2016_flickr"})
    for (const char* language : {"de", "en"}) {
      const std::string plain = f / (std::string(split) + "." + language);
      gzFile out = gzopen((plain + ".gz").c_str(), "wb");
      const std::string text = language[0] == 'd' ? german() : english();
      gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
      gzclose(out);
      std::filesystem::rename(plain, f / (std::string(split) + ".lc.norm.tok." + language));
    }
  EXPECT_EQ(load().train.size(), 3);  // .gz comes first
  for (const char* language : {"de", "en"})
    for (const char* split : {"train", "val", "test_2016_flickr"})
      std::filesystem::remove(f / (std::string(split) + "." + language + ".gz"));
  EXPECT_EQ(load().train.size(), 3);
  for (const char* split : {"train", "val", "test_2016_flickr"})
    for (const char* language : {"de", "en"}) {
      const std::string name = std::string(split) + ".lc.norm.tok." + language;
      std::filesystem::create_directories(f / "task1/tok");
      std::filesystem::rename(f / name, f / ("task1/tok/" + name));
    }
  EXPECT_EQ(load().train.size(), 3);
}

TEST_F(Parallel, MistakesNameTheFile) {
  f.write("val.en", "one line\n");
  test::expect_mentions(test::error_of([&] { load(); }), {"val.en", "as many lines as", "val.de (4)", "got 1"});
  std::filesystem::remove(f / "val.en");
  test::expect_mentions(test::error_of([&] { load(); }), {"val.en", "does not exist", "data.valid"});
  test::expect_mentions(test::error_of([&] { load({{"source", std::string("fr")}}); }), {"train.fr", "multi30k"});
}

// A no-break space is a blank as well, whichever side it is on.
TEST_F(Parallel, BlankPairsAreLeftOutOfEverySplit) {
  for (const char* split : {"train", "val", "test_2016_flickr"}) {
    f.write(std::string(split) + ".de", "Ein Hund.\n \t\n\xC2\xA0\nZwei Hunde.\n");
    f.write(std::string(split) + ".en", "A dog.\na\nb\n \n");
  }
  const ParallelText t = load({{"pieces", int64_t{25}}});
  for (const ParallelSplit* split : {&t.train, &t.valid, &t.test}) {
    EXPECT_EQ(split->size(), 1);
    EXPECT_EQ(split->blank, 3);
  }
  EXPECT_EQ(t.test.references, (std::vector<std::string>{"A dog."}));
}

TEST_F(Parallel, ASplitWithoutPairsIsAnErrorThatNamesItsFile) {
  for (const char* split : {"train", "val", "test_2016_flickr"}) {
    const std::string stem(split);
    f.write(stem + ".de", "\n \n");
    f.write(stem + ".en", "A dog.\nA cat.\n");
    test::expect_mentions(test::error_of([&] { load(); }), {stem + ".de", "has none"});
    f.write(stem + ".de", german());
    f.write(stem + ".en", english());
  }
}

// Lines that end with \r alone are lines; a \r within a line of one side is none, as the other side shows.
TEST_F(Parallel, CarriageReturnsEndLinesWhereTheyAreLineEnds) {
  const ParallelText want = load();
  std::string german_cr = german(), english_cr = english();
  for (std::string* text : {&german_cr, &english_cr}) std::replace(text->begin(), text->end(), '\n', '\r');
  f.write("train.de", german_cr);
  f.write("train.en", english_cr);
  EXPECT_EQ(load().train.target.words, want.train.target.words);
  f.write("train.de", "Ein\rHund.\nZwei Hunde.\n");
  f.write("train.en", "A dog.\nTwo dogs.\n");
  EXPECT_EQ(load({{"pieces", int64_t{40}}}).train.size(), 2);
  // One on each side, within other lines: as line ends they would give equally many lines, and pair them wrongly.
  f.write("train.en", "A dog.\nTwo\rdogs.\n");
  EXPECT_EQ(load({{"pieces", int64_t{40}}}).train.size(), 2);
}

// The program that learns pieces leaves lines above 4,192 bytes out unless it is told their length.
TEST_F(Parallel, LongTextsTakePartInTheVocabulary) {
  std::string long_line;
  while (long_line.size() <= 5000) long_line += "zebra ";
  f.write("train.de", german() + long_line + "\n");
  f.write("train.en", english() + "The zoo.\n");
  const ParallelText t = load({{"max_length", int64_t{10000}}});
  for (const Texts* side : {&t.train.source, &t.train.target})
    EXPECT_LT(std::count(side->words.begin(), side->words.end(), 1), 5) << "1 is <unk>";
}

// 400 pairs: of the first 200 none, or of the last, would be drawn with a probability below 1e-9 if 40 were drawn at random.
TEST_F(Parallel, MaxSamplesAreDrawnFromTheWholeFile) {
  std::string source, target;
  for (int k = 0; k < 400; ++k) source += k < 200 ? "Hund\n" : "Mann\n", target += "dog\n";
  f.write("train.de", source);
  f.write("train.en", target);
  const ParallelText t = load({{"max_samples", int64_t{40}}, {"pieces", int64_t{30}}});
  ASSERT_EQ(t.train.size(), 40);
  int64_t first = 0;
  for (int64_t k = 0; k < 40; ++k) first += t.subwords.decode(at(t.train.source, k)) == "Hund";
  EXPECT_GT(first, 0);
  EXPECT_LT(first, 40);
}

TEST(RealParallel, Multi30kHasItsKnownSizes) {
  const char* folder = std::getenv("TACET_DATA");
  const std::string root = std::string(folder ? folder : "") + "/multi30k";
  if (!folder || !std::filesystem::exists(root)) GTEST_SKIP() << "TACET_DATA has no multi30k";
  const test::TempFolder f;
  const test::Environment home("HOME", f.path());
  const Values v = test::row_values(find_dataset("multi30k"),
                                    {{"root", root}, {"pieces", int64_t{1000}}, {"pieces_from", int64_t{2000}}});
  const ParallelText t = load_parallel_text(v);
  EXPECT_EQ(t.train.size(), 29000);
  EXPECT_EQ(t.valid.size(), 1014);
  EXPECT_EQ(t.test.size(), 1000);
  EXPECT_EQ(t.subwords.size(), 1000);
}

}  // namespace
}  // namespace tacet
