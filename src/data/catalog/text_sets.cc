// See sequence_rows.h. Reading these data sets is in labelled_text.cc and parallel_text.cc.
#include "data/catalog/text_sets.h"

#include "data/clients/partition.h"

namespace tacet {
namespace {

Option integer(std::string name, int64_t fallback, double min, std::string doc) {
  return {.name = std::move(name), .kind = Kind::integer, .fallback = fallback, .doc = std::move(doc), .min = min};
}
Option flag(std::string name, bool fallback, std::string doc) {
  return {.name = std::move(name), .kind = Kind::flag, .fallback = fallback, .doc = std::move(doc)};
}
Option text(std::string name, std::string fallback, std::string doc, std::vector<std::string> one_of = {}) {
  return {.name = std::move(name),
          .kind = Kind::text,
          .fallback = std::move(fallback),
          .doc = std::move(doc),
          .one_of = std::move(one_of)};
}
Option maybe_text(std::string name, std::string doc) {
  return {.name = std::move(name), .kind = Kind::text, .doc = std::move(doc), .required = false};
}

void append(std::vector<Option>& to, std::vector<Option> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<Option> common(int64_t batch_size, bool users) {
  std::vector<Option> o = {
      maybe_text("root", "folder with the files; without it $TACET_DATA, then ~/.cache/tacet are searched"),
      integer("batch_size", batch_size, 1, "examples in a mini-batch of each client"),
      integer("eval_batch", 64, 1, "examples in a batch of an evaluation"),
      maybe_text("train_file", "name of the training file in the folder, when it is not the usual one"),
      maybe_text("valid_file", "name of the validation file"),
      maybe_text("test_file", "name of the test file"),
      integer("max_samples", 0, 0, "use only the first so many training examples; 0: all"),
      integer("max_length", 0, 0, "longer texts are cut to so many words; 0: none is"),
  };
  o.front().free_on_resume = o.front().per_machine = true;
  append(o, partition_keys(users));
  return o;
}

std::vector<Option> labelled(bool lowercase, bool users) {
  std::vector<Option> o = common(64, users);
  append(o, {flag("lowercase", lowercase, "turn A–Z into a–z"),
             integer("min_count", 1, 1, "without vectors: rarer words of the training texts are unknown"),
             integer("max_words", 0, 0, "keep only the so many most frequent words; 0: all"),
             text("unknown", "unk", "a word outside the vocabulary becomes <unk>, or is left out", {"unk", "drop"}),
             maybe_text("vectors", "file with word vectors in GloVe's text format; words without one are unknown")});
  return o;
}

Option tokens() {
  return text("tokens", "words", "split texts at spaces, or into words and single other characters", {"words", "spaces"});
}

Entry snli() {
  return {
      "snli",
      "Bowman, Angeli, Potts, Manning, EMNLP 2015; CC BY-SA 4.0",
      "570,000 pairs of sentences: entailment, neutral or contradiction; the original jsonl files, or s1.*, s2.*, labels.*",
      "sentence-pairs",
      labelled(false, false),
      {"snli_1.0_train.jsonl", "snli_1.0_dev.jsonl", "snli_1.0_test.jsonl"}};
}

Entry labelled_pairs() {
  Entry e{"labelled-pairs",
          "your own",
          "pairs of texts with a label, one a row, in tab- or comma-separated files with a header",
          "sentence-pairs",
          labelled(false, false),
          {"train.tsv", "valid.tsv", "test.tsv"}};
  append(e.options, {tokens(), text("column.first", "sentence1", "title of the first text's column"),
                     text("column.second", "sentence2", "title of the second text's column"),
                     text("column.label", "label", "title of the label's column")});
  return e;
}

Entry sentiment140() {
  Entry e{"sentiment140",
          "Go, Bhayani, Huang, Stanford 2009; for research, not to be redistributed",
          "1.6 million tweets of 660,000 users, negative or positive",
          "text-classification",
          labelled(true, true),
          {"training.1600000.processed.noemoticon.csv", "testdata.manual.2009.06.14.csv"}};
  std::erase_if(e.options, [](const Option& o) { return o.name == "valid_file"; });
  append(e.options, {tokens(), integer("valid_every", 100, 2, "each so many-th training row is kept for validation")});
  return e;
}

Entry labelled_text() {
  Entry e{"labelled-text",
          "your own",
          "texts with a label, one a row, in tab- or comma-separated files with a header",
          "text-classification",
          labelled(false, true),
          {"train.tsv", "valid.tsv", "test.tsv"}};
  append(e.options, {tokens(), text("column.text", "text", "title of the text's column"),
                     text("column.label", "label", "title of the label's column"),
                     maybe_text("column.user", "title of the column that says who wrote the text")});
  return e;
}

Entry parallel(std::string name, std::string origin, std::string summary, std::string source, std::string target,
               std::vector<std::string> stems, int64_t pieces) {
  Entry e{std::move(name), std::move(origin), std::move(summary), "translation", common(64, false), {}};
  // Pairs have no labels to deal them by.
  std::erase_if(e.options, [](const Option& o) {
    return o.name.ends_with("_file") || o.name == "max_length" ||
           (o.name.starts_with("partition.") && o.name != "partition.kind" && o.name != "partition.percent" &&
            o.name != "partition.seed");
  });
  for (Option& o : e.options)
    if (o.name == "partition.kind") {
      o.one_of = {"iid", "percent"};
      o.doc = "iid: shuffled, equal shares; percent: consecutive blocks of given sizes";
    }
  for (const std::string& stem : stems)
    for (const std::string& language : {source, target}) e.files.push_back(stem + "." + language);
  append(e.options,
         {text("source", source, "language to translate from: the end of its files' names"),
          text("target", target, "language to translate into"),
          text("train", stems[0], "training files' names without the end"),
          text("valid", stems[1], "validation files' names without the end"),
          text("test", stems[2], "test files' names without the end"),
          integer("max_length", 250, 1,
                  "training pairs with more pieces on a side are left out; longer sources of an evaluation are cut"),
          integer("pieces", pieces, 10, "size of the joint subword vocabulary, when it is learned; small texts give fewer"),
          integer("pieces_from", 1000000, 1, "learn the vocabulary from at most so many training pairs, evenly spaced"),
          maybe_text("subwords", "SentencePiece model to use instead of learning one")});
  return e;
}

}  // namespace

std::vector<Entry> sequence_datasets() {
  return {
      snli(),
      labelled_pairs(),
      sentiment140(),
      labelled_text(),
      parallel("multi30k", "Elliott, Frank, Sima'an, Specia 2016; for non-commercial research and education",
               "29,000 image descriptions in German and English", "de", "en", {"train", "val", "test_2016_flickr"}, 8000),
      parallel("wmt16", "Conference on Machine Translation 2016, German-English; each part has its own terms",
               "4.5 million sentence pairs of debates, news and web pages", "de", "en",
               {"train", "newstest2015", "newstest2016"}, 32000),
      parallel("parallel-text", "your own", "sentences and their translations, line by line in two files", "source",
               "target", {"train", "valid", "test"}, 8000)};
}

}  // namespace tacet
