// The data sets of labelled texts and pairs of texts: their origin, keys and files. Reading them is in labelled_text.cc.
#include <map>

#include "data/files/locate.h"
#include "data/text/labelled_text.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

LabelledOptions defaults(LabelledSet set) {
  LabelledOptions o;
  o.set = set;
  o.lowercase = set == LabelledSet::sentiment140;
  return o;
}

DatasetInfo labelled_row(std::string name, LabelledSet set, std::string origin, std::string summary,
                         std::vector<std::string> files) {
  std::vector<Option> options = options_of(defaults(set));
  options.insert(options.begin(), root_option());
  const bool pairs = set == LabelledSet::snli || set == LabelledSet::pairs;
  return {.name = std::move(name),
          .paper = std::move(origin),
          .summary = std::move(summary),
          .task = pairs ? "sentence-pairs" : "text-classification",
          .options = std::move(options),
          .files = std::move(files)};
}

}  // namespace

void LabelledOptions::options(OptionList& o) {
  const bool own_pairs = set == LabelledSet::pairs, tweets = set == LabelledSet::sentiment140,
             own_texts = set == LabelledSet::texts;
  o.integer("batch_size", batch_size, batch_size, within(1, 1e6), "examples in a mini-batch of each client");
  o.integer("eval_batch", eval_batch, eval_batch, within(1, 1e6), "examples in a batch of an evaluation");
  o.maybe_text("train_file", train_file, {}, "name of the training file in the folder, when it is not the usual one");
  if (!tweets) o.maybe_text("valid_file", valid_file, {}, "name of the validation file");
  o.maybe_text("test_file", test_file, {}, "name of the test file");
  o.integer("max_samples", max_samples, max_samples, at_least(0),
            "use only so many training texts, drawn at random; 0: all");
  o.integer("max_length", max_length, max_length, at_least(0), "longer texts are cut to so many words; 0: none is");
  partition.options(o, true, tweets || own_texts);
  o.flag("lowercase", lowercase, lowercase, "turn A–Z into a–z");
  o.integer("min_count", min_count, min_count, at_least(1), "without vectors: rarer words of the training texts are unknown")
      .not_with = {{"vectors"}};
  o.integer("max_words", max_words, max_words, at_least(0), "keep only the so many most frequent words; 0: all");
  o.text("unknown", unknown, unknown, {"unk", "drop"}, "a word outside the vocabulary becomes <unk>, or is left out");
  Option& file =
      o.maybe_text("vectors", vectors, {}, "file with word vectors in GloVe's text format; words without one are unknown");
  file.path = Path::searched;
  file.free_on_resume = file.per_machine = true;  // its contents are compared instead
  if (set == LabelledSet::snli) return;
  o.text("tokens", tokens, tokens, {"words", "spaces"}, "split texts at spaces, or into words and single other characters");
  if (own_pairs) {
    o.text("column.first", first, first, {}, "title of the first text's column");
    o.text("column.second", second, second, {}, "title of the second text's column");
  }
  if (own_texts) o.text("column.text", text, text, {}, "title of the text's column");
  if (own_pairs || own_texts) o.text("column.label", label, label, {}, "title of the label's column");
  if (own_texts) o.maybe_text("column.user", user, {}, "title of the column that says who wrote the text");
  if (tweets)
    o.integer("valid_every", valid_every, valid_every, at_least(2), "each so many-th training row is kept for validation");
}

LabelledOptions labelled_options(const Values& data) {
  static const std::map<std::string, LabelledSet> sets = {{"snli", LabelledSet::snli},
                                                          {"labelled-pairs", LabelledSet::pairs},
                                                          {"sentiment140", LabelledSet::sentiment140},
                                                          {"labelled-text", LabelledSet::texts}};
  return read_options(data, defaults(sets.at(data.text("name"))));
}

namespace built_in {

std::vector<DatasetInfo> labelled_sets() {
  return {
      labelled_row(
          "snli", LabelledSet::snli, "Bowman, Angeli, Potts, Manning, EMNLP 2015; CC BY-SA 4.0",
          "570,000 pairs of sentences: entailment, neutral or contradiction; the original jsonl files, or s1.*, s2.*, "
          "labels.*",
          {"snli_1.0_train.jsonl", "snli_1.0_dev.jsonl", "snli_1.0_test.jsonl"}),
      labelled_row("labelled-pairs", LabelledSet::pairs, "your own",
                   "pairs of texts with a label, one a row, in tab- or comma-separated files with a header",
                   {"train.tsv", "valid.tsv", "test.tsv"}),
      labelled_row("sentiment140", LabelledSet::sentiment140,
                   "Go, Bhayani, Huang, Stanford 2009; for research, not to be redistributed",
                   "1.6 million tweets of 660,000 users, negative or positive",
                   {"training.1600000.processed.noemoticon.csv", "testdata.manual.2009.06.14.csv"}),
      labelled_row("labelled-text", LabelledSet::texts, "your own",
                   "texts with a label, one a row, in tab- or comma-separated files with a header",
                   {"train.tsv", "valid.tsv", "test.tsv"}),
  };
}

}  // namespace built_in
}  // namespace tacet
