// Sentences and their translations, line by line in two files, as subword indices: Multi30k, WMT and files of one's own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/clients/partition.h"
#include "data/record/data_record.h"
#include "data/text/subwords.h"
#include "data/text/texts.h"
#include "tacet/options.h"

namespace tacet {

struct ParallelSplit {
  Texts source, target;                 // pieces, without <s> and </s>
  std::vector<std::string> references;  // the target texts as they stand in the file; evaluations only
  int64_t blank = 0, longer = 0;        // pairs left out: a side without words; more than data.max_length pieces
  int64_t size() const { return source.size(); }
};

struct ParallelText {
  Subwords subwords;  // pieces of both languages
  ParallelSplit train, valid, test;
  std::vector<std::string> notes = {};  // lines for people: pairs that were left out, and how many
  std::string place = {};               // folder of the files
  std::vector<std::string> files = {};  // paths of the files that were read, subwords apart
  std::string subwords_file = {};       // path; empty where they were learned, or are saved ones
};

struct ParallelOptions {
  int64_t batch_size = 64, eval_batch = 64, max_samples = 0;
  PartitionOptions partition = {};
  std::string source = "source", target = "target";             // languages: the ends of files' names
  std::string train = "train", valid = "valid", test = "test";  // the names before
  int64_t max_length = 250, pieces = 8000, pieces_from = 1000000;
  std::optional<std::string> subwords = {};

  // Binds the keys of [data]; the defaults are the members' values.
  void options(OptionList& o);
};

// Reads <split>.<language> of both languages, or the same with .gz, or <split>.lc.norm.tok.<language> (the prepared form of
// Multi30k); one style serves all files. One's own files must not be there with and without .gz. Pairs with a side that is
// blank are left out of every split, and training pairs with more than data.max_length pieces on a side of training; sources
// of an evaluation are cut to data.max_length. data.max_samples training pairs are drawn at random. The subwords are
// data.subwords, or are learned from the training files. Where two files have equally many lines only if a \r within a line
// ends none, it ends none. Throws UserError with the file when one is missing, two do not have the same number of lines, or
// a split has no pairs. With a record, its subwords are taken.
ParallelText load_parallel_text(const Values& data, const std::optional<DataRecord>& record = {});
// Returns the record of pairs as they were read.
DataRecord data_record(const ParallelText& pairs, const std::string& dataset);

}  // namespace tacet
