// Sentences and their translations, line by line in two files, as subword indices: Multi30k, WMT and files of one's own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/clients/partition.h"
#include "data/text/subwords.h"
#include "data/text/texts.h"
#include "tacet/options.h"

namespace tacet {

struct ParallelSplit {
  Texts source, target;                 // pieces, without <s> and </s>
  std::vector<std::string> references;  // the target texts as they stand in the file; evaluations only
  int64_t size() const { return source.size(); }
};

struct ParallelText {
  Subwords subwords;  // pieces of both languages
  ParallelSplit train, valid, test;
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
// Multi30k); one style serves all files. Training pairs with an empty side, or with more than data.max_length pieces on one,
// are left out; sources of an evaluation are cut to data.max_length. The subwords are data.subwords, or are learned from the
// training files. Throws UserError with the file when one is missing, or two do not have the same number of lines.
ParallelText load_parallel_text(const Values& data);

}  // namespace tacet
