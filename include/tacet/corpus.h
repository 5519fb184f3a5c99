// A word-level corpus, as the reader of a language-model data set returns it. A corpus of one's own is registered with
// add_dataset (registry.h). Cutting it into clients' streams and batches is not done here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

// A run of training tokens that belongs to one natural owner, such as consecutive speeches of one president.
struct Owner {
  std::string name;
  int64_t first = 0, size = 0;  // train[first, first + size)
};

struct Corpus {
  std::vector<std::string> vocabulary;      // by order of first appearance over train, valid, test
  std::vector<int32_t> train, valid, test;  // indices into vocabulary, 0 … size − 1; every line ends with <eos>
  std::vector<Owner> owners;                // owners in order, covering train without gaps; empty where nobody is known
  std::vector<std::string> files = {};      // paths of the files that were read, by which a run notices other data later
};

// Returns the options of a corpus: its own, then those that all have (batch_size, bptt, partition.kind, …).
std::vector<Option> corpus_options(std::vector<Option> own);

}  // namespace tacet
