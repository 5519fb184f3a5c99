// The reader of word-level corpora in folders with the layout of Penn Treebank and WikiText: three text files, one sentence
// or paragraph a line. Batches, shards and clients are not here (corpus_batches.h), nor is the embedded corpus (sotu.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tacet/corpus.h"
#include "tacet/options.h"

namespace tacet {

struct DataRecord;

// Turns words into indices, in order of first appearance.
class Dictionary {
 public:
  // Returns the word's index; a new word gets the next one.
  int32_t add(std::string_view word);
  // Appends the words of every line of `text` and one <eos> a line, blank lines included. Lines end with \n, \r\n or
  // \r alone; the last one may lack its end. Words are what lies between spaces, tabs, \v and \f.
  void add_lines(std::string_view text, std::vector<int32_t>& out);
  // Returns the words so far, by index, and leaves the dictionary empty.
  std::vector<std::string> take();

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> index_;
};

// Reads the folder's train, valid and test file. Names are tried in this order, and one style serves all three splits:
// ptb.train.txt, train.txt, wiki.train.tokens, wiki.train.txt; `dataset` narrows them: "ptb" takes the first two,
// "wikitext-2" and "wikitext-103" the last two and train.txt, "text" all. Throws UserError with the file and, where it makes
// sense, line and byte offset when a file is missing, no plain file, unreadable, not UTF-8, holds NUL bytes or has no words.
// For "text" a folder with training texts in two styles is an error.
Corpus read_ptb_layout(const std::string& folder, const std::string& dataset = "text");

// Numbers the words as a saved vocabulary does, and returns lines for people. A word that it lacks becomes <unk>, which is
// counted aloud. Where it has no <unk> either, UserError is thrown, or in an evaluation the split is emptied; the training
// text is not evaluated, so that its words do not matter there.
std::vector<std::string> renumber(Corpus& corpus, const DataRecord& record, bool evaluation);
// Returns the record of a corpus as it was read.
DataRecord data_record(const Corpus& corpus, const std::string& dataset);

// Returns the folder that find_folder() gives for a corpus in this layout, by its train file.
std::string find_root(const Values& data, const std::string& dataset);

// Reads the corpus of a language-model data set of the table, with its keys.
Corpus load_corpus(const Values& data, const std::string& dataset);

}  // namespace tacet
