// The list of models with their keys. What a model computes is in its own file.
#include <algorithm>
#include <iterator>

#include "models/images/image_model.h"
#include "models/text/text_models.h"
#include "problems/problem.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

Option count(const char* name, int64_t fallback, std::string doc) {
  return {.name = name, .kind = Kind::integer, .fallback = fallback, .doc = std::move(doc), .min = 1, .max = 1e7};
}
Option probability(const char* name, double fallback, const char* doc) {
  return {.name = name, .kind = Kind::number, .fallback = fallback, .doc = doc, .min = 0, .max = 1, .max_open = true};
}
Option at_least_zero(const char* name, double fallback, const char* doc) {
  return {.name = name, .kind = Kind::number, .fallback = fallback, .doc = doc, .min = 0, .max_open = true};
}

std::vector<Option> awd_options(const std::string& cell) {
  return {count("layers", 3, cell + " layers"),
          count("embedding", 400, "width of the embedding and of the last layer"),
          count("hidden", 1150, "width of the other layers"),
          {.name = "tied", .kind = Kind::flag, .fallback = true, .doc = "the decoder's matrix is the embedding's"},
          probability("output_dropout", 0.4, "on the last layer's output"),
          probability("hidden_dropout", 0.25, "between layers"),
          probability("input_dropout", 0.4, "on the embedded words"),
          probability("embedding_dropout", 0.1, "whole words of the embedding matrix"),
          probability("weight_drop", 0.5, "DropConnect on the recurrent matrices"),
          {.name = "weight_drop_mask",
           .kind = Kind::text,
           .fallback = std::string("element"),
           .doc = "one draw an element, as in the paper, or one a row",
           .one_of = {"element", "row"}},
          at_least_zero("alpha", 2, "activation regularisation"),
          at_least_zero("beta", 1, "temporal activation regularisation"),
          {.name = "init_range",
           .kind = Kind::number,
           .fallback = 0.1,
           .doc = "embedding starts uniform in ± this",
           .min = 0,
           .min_open = true,
           .max_open = true},
          {.name = "init",
           .kind = Kind::text,
           .doc = "safetensors file with the initial weights",
           .required = false,
           .free_on_resume = true,
           .per_machine = true}};
}

std::vector<Entry> awd_models() {
  return {
      {.name = "awd-lstm",
       .paper = "Merity, Keskar, Socher, ICLR 2018",
       .summary =
           "LSTM language model with weight drop, locked and embedding dropout, tied weights and activation regularisation.",
       .task = "language-model",
       .options = awd_options("LSTM")},
      {.name = "awd-gru",
       .paper = "Merity, Keskar, Socher, ICLR 2018, with GRU layers (Cho et al., EMNLP 2014)",
       .summary = "The network of awd-lstm with GRU layers in the LSTM layers' place.",
       .task = "language-model",
       .options = awd_options("GRU")},
  };
}

}  // namespace

const std::vector<Entry>& models() {
  static const std::vector<Entry> table = [] {
    std::vector<Entry> rows = awd_models();
    std::ranges::move(sequence_models(), std::back_inserter(rows));
    std::ranges::move(image_models(), std::back_inserter(rows));
    rows.insert(rows.end(), functions().begin(), functions().end());
    return rows;
  }();
  return table;
}

const Entry& find_model(const std::string& name) {
  std::vector<std::string> names;
  for (const Entry& m : models()) {
    if (m.name == name) return m;
    names.push_back(m.name);
  }
  const auto near = nearest(name, names);
  throw UserError("model.name: there is no model \"" + name + "\"" +
                  (near ? "; did you mean \"" + *near + "\"?" : "; `tacet models` lists them"));
}

}  // namespace tacet
