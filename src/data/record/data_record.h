// The record of a run's data, which the run keeps as data.json: what gives the numbers of its model their meaning
// (vocabulary, subwords, classes, mean and deviation), and marks of the files that were read, so that other data are
// noticed. Readers take the numbering from a record where there is one. Runs and checkpoints are not known here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tacet {

// The mark of a file, or of all files of one folder where there are many: equal marks mean equal contents.
struct FileMark {
  std::string name;    // path below the data's folder, or the key that names the file ("data.vectors")
  int64_t files = 1;   // in the folder
  int64_t bytes = 0;   // of all of them
  std::string sha256;  // a file's SHA-256, where all of it was read; else empty
  std::string digest;  // elsewhere the SHA-256 of names, sizes and of blocks of the contents
};

struct DataRecord {
  std::string place = {};               // the file that it was read from; empty for the record of data just read
  std::string data_set;                 // data.name
  std::vector<FileMark> files;          // in byte order of their names
  std::vector<int64_t> image;           // [C, H, W]; empty where the data are no images
  int64_t class_count = 0;              // 0 where there are no classes
  std::vector<std::string> classes;     // by label; empty where they have no names
  std::vector<double> mean, deviation;  // of the channels
  std::vector<std::string> vocabulary;  // by index
  std::vector<std::string> users;       // by number; empty where users are numbers, or nobody is known
  std::string subwords;                 // bytes of the SentencePiece model
};

// Returns the text of data.json. Throws UserError for a name that is no UTF-8.
std::string to_json(const DataRecord& record);
// Reads such text. Throws UserError naming `place` when it is something else or of a newer format.
DataRecord parse_data_record(const std::string& text, const std::string& place);
// Reads data.json. Throws UserError naming the file, also when it is missing.
DataRecord read_data_record(const std::string& path);
// Returns the place of data.json beside a model's file.
std::string data_record_beside(const std::string& model_file);

// Returns the marks of files, with names below `root`. More than 256 files are marked folder by folder. Files of more than
// 256 MiB together are not read whole, but in 4,096 blocks of 64 KiB, evenly spaced. Throws UserError naming a file that
// can't be read.
std::vector<FileMark> marks_of(const std::string& root, std::vector<std::string> paths);
// Returns the mark of one file, called `name`.
FileMark mark_of(const std::string& name, const std::string& path);
// Returns the mark of numbers that come from no file: a split's labels or tokens.
FileMark mark_of_numbers(const std::string& name, const std::vector<int32_t>& numbers);

// Returns the first difference between a saved record and that of data read now, as "test.txt has 120 bytes, sha256 ab…, in
// RUN/data.json 118 bytes, sha256 cd…"; nothing where they are equal. Files come first. Means and deviations are equal where
// they differ by at most 1e-12 of |mean| + deviation.
std::optional<std::string> difference(const DataRecord& saved, const DataRecord& now);
// Returns all facts by name, each short enough for a message: the marks of files, and a digest of each long list.
std::vector<std::pair<std::string, std::string>> facts_of(const DataRecord& record);

// Finds words in a vocabulary.
class WordIndex {
 public:
  explicit WordIndex(const std::vector<std::string>& words);
  // Returns the word's index, or −1.
  int32_t find(std::string_view word) const;

 private:
  std::unordered_map<std::string_view, int32_t> index_;  // views into the words, which must outlive this
};

}  // namespace tacet
