// Sentences and their translations, line by line in two files, as subword indices: Multi30k, WMT and files of one's own.
#pragma once

#include <string>
#include <vector>

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
  Subwords subwords;  // of both languages
  ParallelSplit train, valid, test;
};

// Reads <split>.<language> of both languages, or the same with .gz, or <split>.lc.norm.tok.<language> (the prepared form of
// Multi30k); one style serves all files. Training pairs with an empty side, or with more than data.max_length pieces on one,
// are left out; sources of an evaluation are cut to data.max_length. The subwords are data.subwords, or are learned from the
// training files. Throws UserError with the file when one is missing, or two do not have the same number of lines.
ParallelText load_parallel_text(const Values& data);

}  // namespace tacet
