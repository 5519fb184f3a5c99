// The record of a run's data: its text, the marks of files, and readers that number words and classes by it.
#include "data/record/data_record.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>

#include "base/digest.h"
#include "data/images/images.h"
#include "data/text/corpus.h"
#include "data/text/labelled_text.h"
#include "data/text/parallel_text.h"
#include "image_fixtures.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet {
namespace {

using Names = std::vector<std::string>;

// ---- the text ----

RC_GTEST_PROP(DataRecordText, ComesBackAsItWas, (Names words, std::vector<double> mean, std::string bytes)) {
  for (std::string& word : words)
    for (char& c : word) c = static_cast<char>(c & 0x7f);
  DataRecord r{.data_set = "text", .class_count = 3, .mean = mean, .vocabulary = words, .subwords = bytes};
  r.files = {{.name = "a.txt", .bytes = 7, .sha256 = "ab"}, {.name = "train/cat", .files = 300, .bytes = 9, .digest = "cd"}};
  const DataRecord back = parse_data_record(to_json(r), "here");
  RC_ASSERT(back.vocabulary == words);
  RC_ASSERT(back.mean == mean);
  RC_ASSERT(back.subwords == bytes);
  RC_ASSERT(!difference(r, back).has_value());
}

TEST(DataRecordText, SaysWhatIsWrongWithAFile) {
  const test::TempFolder f;
  const struct {
    const char *text, *words;
  } rows[] = {{"", "must be the record of a run's data"},
              {"[1]", "must be the record of a run's data"},
              {"{\"format\": 2}", "format must be at most 1, got 2: a newer tacet wrote it"},
              {"{\"format\": \"x\"}", "must be the record of a run's data"},
              {"{\"format\": 1, \"vocabulary\": [1]}", "must be the record of a run's data"},
              {"{\"format\": 1, \"files\": [{}]}", "must be the record of a run's data"},
              {"{\"format\": 1, \"subwords\": \"zz\"}", "hexadecimal"}};
  for (const auto& row : rows) {
    f.write("data.json", row.text);
    test::expect_mentions(test::error_of([&] { read_data_record(f / "data.json"); }), {f / "data.json", row.words});
  }
  test::expect_mentions(test::error_of([&] { read_data_record(f / "absent.json"); }), {"absent.json"});
}

// ---- the marks ----

TEST(Marks, AFileHasItsOwnChecksumAndItsNameBelowTheFolder) {
  const test::TempFolder f;
  f.write("sub/b.txt", "two");
  f.write("a.txt", "one");
  const auto marks = marks_of(f.path(), {f / "sub/b.txt", f / "a.txt", f / "a.txt"});
  ASSERT_EQ(marks.size(), 2u);
  EXPECT_EQ(marks[0].name, "a.txt");
  EXPECT_EQ(marks[0].sha256, sha256_file(f / "a.txt"));
  EXPECT_EQ(marks[1].name, "sub/b.txt");
  EXPECT_EQ(marks[1].bytes, 3);
  test::expect_mentions(test::error_of([&] { marks_of(f.path(), {f / "c.txt"}); }), {"c.txt", "can't be read"});
}

// 300 files are more than 256, so each folder has one mark; a name, a size and a byte all count.
TEST(Marks, ManyFilesAreMarkedFolderByFolder) {
  const test::TempFolder f;
  std::vector<std::string> paths;
  for (int k = 0; k < 300; ++k) {
    const std::string name = std::string(k % 3 == 0 ? "cat/" : "dog/") + std::to_string(k);
    f.write(name, "p" + std::to_string(k));
    paths.push_back(f / name);
  }
  const auto before = marks_of(f.path(), paths);
  ASSERT_EQ(before.size(), 2u);
  EXPECT_EQ(before[0].name, "cat");
  EXPECT_EQ(before[0].files, 100);
  EXPECT_EQ(before[1].files, 200);
  f.write("cat/3", "q3");
  const auto after = marks_of(f.path(), paths);
  EXPECT_NE(after[0].digest, before[0].digest);
  EXPECT_EQ(after[1].digest, before[1].digest);
  const auto other = difference({.place = "run", .files = before}, {.files = after});
  ASSERT_TRUE(other.has_value());
  test::expect_mentions(*other, {"cat has 100 files", "in run"});
}

// 300 MiB are more than 256, so a block of 64 KiB is read every 75 KiB. Byte 0 is in the first one, and a larger file has
// another size.
TEST(Marks, LargeFilesAreReadInBlocks) {
  const test::TempFolder f;
  for (const char* name : {"large", "small"}) f.write(name, "0");
  std::filesystem::resize_file(f / "large", 300 << 20);
  const auto before = marks_of(f.path(), {f / "large", f / "small"});
  ASSERT_EQ(before.size(), 2u);
  EXPECT_EQ(before[0].sha256, "");
  std::FILE* file = std::fopen((f / "large").c_str(), "r+b");
  std::fputc('1', file);
  std::fclose(file);
  const auto changed = marks_of(f.path(), {f / "large", f / "small"});
  EXPECT_NE(changed[0].digest, before[0].digest);
  std::filesystem::resize_file(f / "large", (300 << 20) + 1);
  EXPECT_NE(marks_of(f.path(), {f / "large", f / "small"})[0].digest, changed[0].digest);
}

TEST(Difference, NamesTheFirstFileThenTheFirstList) {
  const DataRecord run{.place = "RUN/data.json",
                       .data_set = "text",
                       .files = {{.name = "test.txt", .bytes = 5, .sha256 = "aaaa"}},
                       .vocabulary = {"a", "b"}};
  const auto told = [&](auto change) {
    DataRecord now = run;
    change(now);
    return difference(run, now).value_or("");
  };
  EXPECT_EQ(told([](DataRecord&) {}), "");
  EXPECT_EQ(told([](DataRecord& r) { r.files[0].bytes = 6; }),
            "test.txt has 6 bytes, sha256 aaaa, in RUN/data.json 5 bytes, sha256 aaaa");
  EXPECT_EQ(told([](DataRecord& r) { r.files[0].name = "new.txt"; }), "new.txt is not among the files of RUN/data.json");
  EXPECT_EQ(told([](DataRecord& r) { r.files.clear(); }), "test.txt of RUN/data.json is not there");
  EXPECT_EQ(told([](DataRecord& r) {
              r.vocabulary = {"b", "a"};
            }),
            "the data's vocabulary is [\"b\",\"a\"], in RUN/data.json [\"a\",\"b\"]");
  EXPECT_EQ(told([](DataRecord& r) { r.data_set = "ptb"; }), "data.name is \"ptb\", in RUN/data.json \"text\"");
}

// Earlier versions summed in the order that a processor's vectors have, and a run moved to another processor could not be
// resumed: its mean had another last digit. The scale is 0.25 + 0.5, of which 1e-12 is 7.5e-13.
TEST(Difference, OfTheLastDigitsOfMeanAndDeviationIsNone) {
  const DataRecord run{.place = "RUN/data.json", .data_set = "arrays", .mean = {0.25}, .deviation = {0.5}};
  DataRecord now = run;
  now.mean[0] += 5e-13;
  now.deviation[0] -= 5e-13;
  EXPECT_EQ(difference(run, now), std::nullopt);
  now.mean[0] += 5e-13;
  test::expect_mentions(difference(run, now).value_or(""), {"the data's mean is", "in RUN/data.json [0.25]"});
  now = run;
  now.deviation[0] += 1e-12;
  test::expect_mentions(difference(run, now).value_or(""), {"the data's deviation is", "in RUN/data.json [0.5]"});
  now.mean.push_back(1);
  EXPECT_NE(difference(run, now), std::nullopt);
}

// ---- readers that number by a record ----

Names named(const Corpus& corpus, const std::vector<int32_t>& tokens) {
  Names words;
  for (const int32_t t : tokens) words.push_back(corpus.vocabulary.at(static_cast<size_t>(t)));
  return words;
}

RC_GTEST_PROP(RenumberedCorpus, HasTheSameWordsUnderOtherNumbers, ()) {
  const int n = *rc::gen::inRange(1, 20);
  Corpus c;
  for (int k = 0; k < n; ++k) c.vocabulary.push_back("w" + std::to_string(k));
  for (auto* split : {&c.train, &c.valid, &c.test})
    *split = *rc::gen::nonEmpty(rc::gen::container<std::vector<int32_t>>(rc::gen::inRange(0, n)));
  DataRecord record{.place = "RUN/data.json", .vocabulary = c.vocabulary};
  record.vocabulary.push_back("more");
  const auto swaps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, n));
  for (const int k : swaps) std::swap(record.vocabulary[0], record.vocabulary[static_cast<size_t>(k)]);
  Corpus now = c;
  RC_ASSERT(renumber(now, record, true).empty());
  RC_ASSERT(now.vocabulary == record.vocabulary);
  RC_ASSERT(named(now, now.train) == named(c, c.train));
  RC_ASSERT(named(now, now.test) == named(c, c.test));
}

struct SmallCorpus : ::testing::Test {
  Corpus corpus{.vocabulary = {"a", "new", "<eos>"}, .train = {1, 0, 2}, .valid = {0, 1, 1, 2}, .test = {0, 2}};
};

TEST_F(SmallCorpus, AWordThatTheRunLacksIsUnkAndCounted) {
  const auto notes = renumber(corpus, {.place = "RUN/data.json", .vocabulary = {"<eos>", "<unk>", "a"}}, true);
  EXPECT_EQ(corpus.valid, (std::vector<int32_t>{2, 1, 1, 0}));
  EXPECT_EQ(notes, Names{"2 of 4 words of the validation text are not in the vocabulary of RUN/data.json (the first one is "
                         "\"new\") and count as <unk>"});
}

TEST_F(SmallCorpus, WithoutUnkItsSplitIsNotEvaluatedAndSaidSo) {
  const DataRecord record{.place = "RUN/data.json", .vocabulary = {"<eos>", "a"}};
  Corpus again = corpus;
  const auto notes = renumber(corpus, record, true);
  EXPECT_TRUE(corpus.valid.empty());
  EXPECT_EQ(corpus.test, (std::vector<int32_t>{1, 0}));
  ASSERT_EQ(notes.size(), 1u);
  test::expect_mentions(notes[0], {"validation", "\"new\"", "no <unk>: this text can't be evaluated"});
  test::expect_mentions(test::error_of([&] { renumber(again, record, false); }), {"1 of 3 words of the training text"});
}

struct Labelled : ::testing::Test {
  test::TempFolder f;
  Labelled() {
    f.write("train.csv", "text,label\nx y y,neg\nz,pos\n");
    f.write("valid.csv", "text,label\nx q,pos\n");
    f.write("test.csv", "text,label\nz,neg\n");
  }
  Values keys(const test::Given& more = {}) const {
    test::Given all = {{"root", f.path()}};
    all.insert(all.end(), more.begin(), more.end());
    return test::row_values(find_dataset("labelled-text"), all);
  }
  static Names words(const LabelledText& t, const Texts& texts, int64_t k) {
    Names out;
    for (const int32_t w : texts[k]) out.push_back(t.words[static_cast<size_t>(w)]);
    return out;
  }
};

// The run has seen "q", which the training file here lacks, and has a class that no text here has.
TEST_F(Labelled, WordsAndClassesHaveTheNumbersOfTheRecord) {
  const DataRecord run{
      .place = "RUN/data.json", .class_count = 3, .classes = {"pos", "odd", "neg"}, .vocabulary = {"<unk>", "q", "z", "x"}};
  const LabelledText t = load_labelled_text(keys(), run);
  EXPECT_EQ(t.words, run.vocabulary);
  EXPECT_EQ(t.classes, run.classes);
  EXPECT_EQ(t.train.labels, (std::vector<int64_t>{2, 0}));
  EXPECT_EQ(words(t, t.valid.first, 0), (Names{"x", "q"}));
  EXPECT_EQ(words(t, t.train.first, 0), (Names{"x", "<unk>", "<unk>"}));
}

TEST_F(Labelled, AClassThatTheRunLacksIsAnError) {
  const DataRecord run{.place = "RUN/data.json", .class_count = 2, .classes = {"pos", "odd"}, .vocabulary = {"<unk>"}};
  test::expect_mentions(test::error_of([&] { load_labelled_text(keys(), run); }),
                        {"train.csv:2", "one of \"pos\", \"odd\" (RUN/data.json)", "got \"neg\""});
}

TEST_F(Labelled, EveryWordOfTheRecordNeedsItsVector) {
  f.write("v.txt", "x 1 2\nz 3 4\n");
  const Values with = keys({{"vectors", f / "v.txt"}});
  const DataRecord run{.place = "RUN/data.json", .vocabulary = {"<unk>", "z", "x"}};
  const LabelledText t = load_labelled_text(with, run);
  EXPECT_EQ(t.vectors.sizes(), (at::IntArrayRef{3, 2}));
  EXPECT_EQ(t.vectors[1][1].item<float>(), 4);
  test::expect_mentions(test::error_of([&] {
                          load_labelled_text(with, DataRecord{.place = "RUN/data.json", .vocabulary = {"<unk>", "q"}});
                        }),
                        {"data.vectors", "RUN/data.json", "none for \"q\""});
  EXPECT_EQ(data_record(t, "labelled-text").files.back().name, "data.vectors");
}

TEST_F(Labelled, UsersAreNamedByNumber) {
  f.write("train.csv", "text,label,who\na,neg,ann\nb,pos,bo\nc,pos,ann\n");
  for (const char* split : {"valid.csv", "test.csv"}) f.write(split, "text,label,who\na,neg,cy\n");
  const LabelledText t = load_labelled_text(keys({{"column.user", std::string("who")}}));
  EXPECT_EQ(t.users, (Names{"ann", "bo", "cy"}));
  const LabelledText cut = load_labelled_text(keys({{"column.user", std::string("who")}, {"max_samples", int64_t{2}}}));
  for (size_t k = 0; k < cut.train.users.size(); ++k) EXPECT_LT(static_cast<size_t>(cut.train.users[k]), cut.users.size());
  EXPECT_EQ(cut.users.back(), "cy");
}

// Labels of images are i % 3.
struct NumberedImages : ::testing::Test {
  test::TempFolder f;
  test::Environment data{"TACET_DATA", f.path()};
  NumberedImages() { write_idx_set(f, 12, 6, 4, 3); }
  static DataRecord run() {
    return {.place = "RUN/data.json", .image = {1, 4, 4}, .class_count = 5, .mean = {0.25}, .deviation = {0.5}};
  }
};

TEST_F(NumberedImages, MeanDeviationAndClassesAreTheRecords) {
  const auto set = load_images(image_values("idx"), run());
  EXPECT_EQ(set->mean, std::vector<double>{0.25});
  EXPECT_EQ(set->deviation, std::vector<double>{0.5});
  EXPECT_EQ(set->shape.classes, 5);
  const auto given = load_images(image_values("idx", {{"mean", Numbers{0.75}}}), run());
  EXPECT_EQ(given->mean, std::vector<double>{0.75});
}

TEST_F(NumberedImages, OfAnotherSizeOrClassAreErrors) {
  DataRecord other = run();
  other.image = {3, 4, 4};
  test::expect_mentions(test::error_of([&] { load_images(image_values("idx"), other); }),
                        {f.path(), "3 × 4 × 4", "RUN/data.json", "got 1 × 4 × 4"});
  DataRecord fewer = run();
  fewer.class_count = 2;
  test::expect_mentions(test::error_of([&] { load_images(image_values("idx"), fewer); }),
                        {"test images", "RUN/data.json", "class 2"});
}

TEST_F(NumberedImages, ALabelAboveTheTrainingImagesIsAnError) {
  write_idx_set(f, 12, 8, 4, 3);
  f.write("t10k-labels-idx1-ubyte", idx_bytes({8}, std::string("\0\1\2\3\0\1\2\3", 8)));
  test::expect_mentions(test::error_of([] { load_images(image_values("idx")); }),
                        {f.path(), "test images must be 0 … 2", "got 3 for image 3"});
}

// A learned model is saved and taken instead of learning another one from the other text.
TEST(SavedSubwords, AreTakenInsteadOfLearningOthers) {
  const test::TempFolder f;
  const test::Environment home{"HOME", f / "home"};
  const auto write = [&](const std::string& train) {
    for (const char* split : {"train", "val", "test_2016_flickr"})
      for (const char* language : {"de", "en"})
        f.write(std::string(split) + "." + language, split == std::string("train") ? train : "a dog runs\n");
  };
  const Values keys = test::row_values(find_dataset("multi30k"), {{"root", f.path()}, {"pieces", int64_t{40}}});
  write("a dog runs\ntwo dogs run\nthe dog sleeps\n");
  const ParallelText first = load_parallel_text(keys);
  const DataRecord run = data_record(first, "multi30k");
  write("birds sing at noon\nno bird sings at night\nwhy\n");
  const ParallelText other = load_parallel_text(keys), saved = load_parallel_text(keys, run);
  EXPECT_NE(other.test.source.words, first.test.source.words);
  EXPECT_EQ(saved.test.source.words, first.test.source.words);
  EXPECT_EQ(saved.subwords.model(), run.subwords);
  DataRecord damaged = run;
  damaged.place = "RUN/data.json";
  damaged.subwords = "nothing";
  test::expect_mentions(test::error_of([&] { load_parallel_text(keys, damaged); }), {"RUN/data.json", "SentencePiece"});
}

}  // namespace
}  // namespace tacet
