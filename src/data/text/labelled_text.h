// Texts and pairs of texts with a class each: SNLI, Sentiment140 and files of one's own, as word indices; the vocabulary's
// rules. Batches and clients are not here (client_batches.h, partition.h), nor are files of word vectors (word_vectors.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/clients/partition.h"
#include "data/record/data_record.h"
#include "data/text/texts.h"
#include "tacet/options.h"

namespace tacet {

struct TextSplit {
  Texts first, second;          // second has texts only where the task is about pairs
  std::vector<int64_t> labels;  // indices into classes
  std::vector<int64_t> users;   // authors, numbered by first appearance; empty where nobody is known
  int64_t left_out = 0;         // rows without a class: SNLI's gold label "-", Sentiment140's neutral ones
  int64_t size() const { return first.size(); }
};

struct LabelledText {
  std::vector<std::string> words;  // the vocabulary; words[0] is <unk>
  std::vector<std::string>
      classes;                   // SNLI: entailment, neutral, contradiction; Sentiment140: negative, positive; else sorted
  at::Tensor vectors;            // [words, E] float32 where data.vectors is given, row 0 zeros; else undefined
  TextSplit train, valid, test;  // every text has at least one word
  std::vector<std::string> notes = {};  // lines for people: rows that were left out, and how many
  std::vector<std::string> users = {};  // names by number; empty where nobody is known
  std::string place = {};               // folder of the files
  std::vector<std::string> files = {};  // paths of the files that were read, vectors apart
  std::string vectors_file = {};        // path; empty without vectors
};

enum class LabelledSet { snli, pairs, sentiment140, texts };  // pairs and texts: files of one's own

struct LabelledOptions {
  LabelledSet set = LabelledSet::snli;
  int64_t batch_size = 64, eval_batch = 64;
  std::optional<std::string> train_file, valid_file, test_file;
  int64_t max_samples = 0, max_length = 0;
  PartitionOptions partition = {};
  bool lowercase = false;
  int64_t min_count = 1, max_words = 0;
  std::string unknown = "unk";
  std::optional<std::string> vectors;
  std::string tokens = "words";
  std::string first = "sentence1", second = "sentence2", text = "text", label = "label";  // titles of columns
  std::optional<std::string> user;
  int64_t valid_every = 100;

  // Binds the keys that the set has; the defaults are the members' values.
  void options(OptionList& o);
};
// Returns what the checked keys of [data] say, of the set that data.name names.
LabelledOptions labelled_options(const Values& data);

// Reads the data set that data.name names. Words are:
// - snli: the leaves of sentence*_binary_parse where the file is jsonl (without parses, the rule "words" on the sentence);
//   in s1/s2/labels files, what lies between spaces. Pairs whose gold label is "-" are left out.
// - elsewhere data.tokens says: "spaces", or "words": runs of letters, digits, apostrophes and non-ASCII characters; every
//   other character is a word by itself. With data.lowercase, A–Z become a–z.
// The vocabulary: without vectors, the words that stand at least data.min_count times in the training texts, by falling
// count and then in byte order, no more than data.max_words. With vectors, all words of the three splits that have one, in
// the same order. Any other word becomes <unk>, or is left out with data.unknown = "drop"; a text left without words is one
// <unk>. Texts are cut to data.max_length words.
// Sentiment140 has no validation texts: every data.valid_every-th row of the training file is held out. Rows of neutral
// polarity (2) are left out. Blanks around labels, users and titles do not count; an empty label or user is an error.
// data.max_samples training texts are drawn at random. Throws UserError with file and line for whatever is wrong, for a
// class that the training texts lack, for a single class, and for a split without texts.
// With a record, words and classes are numbered as it says, and words that it lacks are unknown.
LabelledText load_labelled_text(const Values& data, const std::optional<DataRecord>& record = {});
// Returns the record of texts as they were read.
DataRecord data_record(const LabelledText& texts, const std::string& dataset);

// Returns the words of a text by the rules above.
std::vector<std::string> split_words(std::string_view text, bool spaces_only, bool lowercase);
// Returns the leaves of "( ( A person ) runs )".
std::vector<std::string> parse_leaves(std::string_view parse, bool lowercase);

}  // namespace tacet
