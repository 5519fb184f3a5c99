// The word-level corpora that are read from folders: their origin and the files they expect. Reading them is in corpus.cc.
#include <stdexcept>

#include "data/files/locate.h"
#include "data/text/corpus.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

DatasetInfo corpus_row(const std::string& name, std::string origin, std::string summary, std::vector<std::string> files) {
  return {.name = name,
          .paper = std::move(origin),
          .summary = std::move(summary),
          .task = "language-model",
          .options = corpus_options({root_option()}),
          .files = std::move(files),
          .corpus = [name](const Values& data) { return read_ptb_layout(find_root(data, name), name); }};
}

}  // namespace

Corpus load_corpus(const Values& data, const std::string& dataset) {
  const DatasetInfo& row = find_dataset(dataset);
  if (!row.corpus) throw std::logic_error(dataset + " is no corpus");
  return row.corpus(data);
}

namespace built_in {

std::vector<DatasetInfo> corpus_sets() {
  const std::vector<std::string> wiki = {"wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"};
  return {
      corpus_row("ptb", "Penn Treebank as prepared by Mikolov et al., 2010; Linguistic Data Consortium licence",
                 "newspaper text, 10,000 words, 929,589 training tokens",
                 {"ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"}),
      corpus_row("wikitext-2", "Merity et al., 2017, Pointer Sentinel Mixture Models; CC BY-SA 3.0",
                 "encyclopedia articles, 33,278 words, 2,088,628 training tokens", wiki),
      corpus_row("wikitext-103", "Merity et al., 2017, Pointer Sentinel Mixture Models; CC BY-SA 3.0",
                 "encyclopedia articles, 267,735 words, 103 million training tokens", wiki),
      corpus_row("text", "your own", "any text that is split into words, one sentence or paragraph a line",
                 {"train.txt", "valid.txt", "test.txt"}),
  };
}

}  // namespace built_in
}  // namespace tacet
