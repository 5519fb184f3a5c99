// See data_command.h.
#include "cli/data_command.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/places.h"
#include "base/utf8.h"
#include "cli/data_facts.h"
#include "cli/fetch.h"
#include "data/catalog/sources.h"
#include "data/files/locate.h"
#include "data/text/corpus_batches.h"
#include "report/json_text.h"
#include "tacet/error.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Returns the recipe of `file`, or one with the data set's defaults and any model of its task.
Recipe recipe_for(const DatasetInfo& data, const std::string& file, const std::vector<std::string>& sets) {
  if (!file.empty()) return load_recipe(file, sets);
  for (const ModelInfo& model : models())
    if (model.task == data.task)
      return parse_recipe("[data]\nname = \"" + data.name + "\"\n[model]\nname = \"" + model.name +
                              "\"\n[algorithm]\nname = \"fedavg\"\neta = 1\n[schedule]\nrounds = 1\n",
                          "tacet data info", sets);
  throw UserError("data set " + data.name + ": there is no model for " + data.task);
}

// Returns a bar, `width` characters long for the largest.
std::string bar(int64_t count, int64_t largest, int width) {
  std::string out;
  const auto length = largest > 0 ? static_cast<int>((count * width + largest - 1) / largest) : 0;
  for (int k = 0; k < length; ++k) out += "█";
  return out;
}

void print_labels(const Labelled& set) {
  const auto counts = histogram(set.labels, set.count);
  const int64_t largest = *std::max_element(counts.begin(), counts.end());
  fmt::print("labels of the training set:\n");
  constexpr int64_t most = 40;
  if (set.count > most) {
    fmt::print("  {} classes of {} to {} samples\n", set.count, *std::min_element(counts.begin(), counts.end()), largest);
    return;
  }
  for (size_t c = 0; c < counts.size(); ++c)
    fmt::print("  {:<12} {:>8}  {}\n", c < set.classes.size() ? visible(set.classes[c]) : std::to_string(c), counts[c],
               bar(counts[c], largest, 40));
}

void print_partition(const PartitionFacts& f, int64_t classes) {
  int64_t most = 0, largest = 0;
  for (const int64_t n : f.samples) most = std::max(most, n);
  for (const auto& counts : f.classes) largest = std::max(largest, *std::max_element(counts.begin(), counts.end()));
  fmt::print("partition {}, seed {}{}: {} clients\n", f.options.kind, f.options.seed,
             f.options.every_round ? ", dealt anew in every round, here the first one" : "", f.clients);
  constexpr int64_t columns = 64;
  const bool drawn = classes <= columns;
  fmt::print("  {:>6} {:>8} {:>7}  {:<20}{}\n", "client", "samples", "classes", "",
             drawn ? "  labels, one column each" : "");
  for (size_t i = 0; i < f.samples.size(); ++i) {
    const auto held = std::count_if(f.classes[i].begin(), f.classes[i].end(), [](int64_t n) { return n > 0; });
    const std::string size = bar(f.samples[i], most, 20);
    const std::string padding(20 - size.size() / std::string("█").size(), ' ');
    fmt::print("  {:>6} {:>8} {:>7}  {}{}{}\n", i, f.samples[i], held, size, padding,
               drawn ? "  " + bars(f.classes[i], largest) : "");
  }
}

void print_shards(const std::string& kind, const std::vector<int64_t>& tokens) {
  const int64_t largest = *std::max_element(tokens.begin(), tokens.end());
  fmt::print("partition {}: {} clients\n  {:>6} {:>10}\n", kind, tokens.size(), "client", "tokens");
  for (size_t i = 0; i < tokens.size(); ++i) fmt::print("  {:>6} {:>10}  {}\n", i, tokens[i], bar(tokens[i], largest, 20));
}

void print_notes(const std::vector<std::string>& notes) {
  for (size_t k = 0; k < notes.size(); ++k) fmt::print("{:<10} {}\n", k == 0 ? "to note" : "", notes[k]);
}

void print_row(const DatasetInfo& row) {
  fmt::print("{}: {}\ntask       {}\norigin     {}\n", row.name, row.summary, row.task, row.paper);
  for (size_t k = 0; k < row.files.size(); ++k) fmt::print("{:<10} {}\n", k == 0 ? "files" : "", row.files[k]);
  if (!row.files.empty()) {
    fmt::print("looked for in data.root, else {}\n", expected_folder(row));
    if (const Source* source = find_source(row.name))
      fmt::print("fetched by `tacet data fetch {}` from {}\n", row.name, source->address);
  }
  fmt::print("\n");
}

void print_facts(const DatasetInfo& row, const DataFacts& f) {
  const ImageShape& s = f.shape;
  if (row.task == "language-model")
    fmt::print("vocabulary {}, tokens: training {}, validation {}, test {}\n", f.vocabulary, f.train, f.valid, f.test);
  else if (row.task == "classification")
    fmt::print("found in   {}\nimages     {} training, {}{} test; {} × {} × {}, {} classes\n", f.place, f.train,
               f.valid > 0 ? std::to_string(f.valid) + " validation, " : "", f.test, s.channels, s.height, s.width,
               s.classes);
  else if (row.task == "translation")
    fmt::print("pairs      {} training, {} validation, {} test; {} subwords\n", f.train, f.valid, f.test, f.vocabulary);
  else if (f.labelled)
    fmt::print("texts      {} training, {} validation, {} test; vocabulary {}\n", f.train, f.valid, f.test, f.vocabulary);
  print_notes(f.notes);
  if (!f.labelled) return;
  print_labels(*f.labelled);
  const auto& users = f.labelled->users;
  if (!users.empty())
    fmt::print("users      {} of the training set\n", std::set<int32_t>(users.begin(), users.end()).size());
}

// Prints all as one JSON object. Where the data are missing, prints what is known without them and throws DataMissing.
void print_json(const DatasetInfo& row, const Recipe& recipe) {
  nlohmann::json j = json_of_row(row);
  try {
    const DataFacts facts = data_facts(row, recipe);
    j.update(json_of_data(row, facts));
    if (const Labelled* dealt = dealt_by_partition(facts); dealt && recipe.clients.has("count"))
      j["partition"] = json_of_partition(partition_facts(recipe, *dealt));
    if (!facts.shards.empty()) j["partition"] = json_of_shards(recipe, facts);
  } catch (const DataMissing&) {
    j["found"] = false;
    fmt::print("{}", json_text(j));
    throw;
  }
  fmt::print("{}", json_text(j));
}

}  // namespace

std::string bars(const std::vector<int64_t>& counts, int64_t largest) {
  static const char* const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string out;
  for (const int64_t n : counts) out += eighths[largest > 0 ? (8 * n + largest - 1) / largest : 0];
  return out;
}

int cmd_data_info(const std::string& name, const std::string& file, const std::vector<std::string>& sets, bool json) {
  const DatasetInfo& row = find_dataset(name);
  const Recipe recipe = recipe_for(row, file, sets);
  const std::string other = recipe.data.has("name") ? recipe.data.text("name") : "an objective without a data set";
  if (other != name) throw UserError("--recipe: must be a recipe for " + name + ", is one for " + other);
  if (json) {
    print_json(row, recipe);
    return 0;
  }
  print_row(row);
  const DataFacts facts = data_facts(row, recipe);
  print_facts(row, facts);
  if (const Labelled* dealt = dealt_by_partition(facts); dealt && recipe.clients.has("count"))
    print_partition(partition_facts(recipe, *dealt), dealt->count);
  if (!facts.shards.empty()) print_shards(text_options(recipe.data).partition, facts.shards);
  return 0;
}

int cmd_data_fetch(const std::string& name, const std::string& folder, const std::string& address) {
  const DatasetInfo& entry = find_dataset(name);
  if (entry.files.empty()) {
    fmt::print("{} is part of tacet, nothing to fetch\n", name);
    return 0;
  }
  const std::string to = folder.empty() ? data_folder() : folder;
  if (to.empty()) throw UserError("--to: must be the folder for data sets, as neither $TACET_DATA nor $HOME is set");
  const Source* source = find_source(name);
  if (!source) {
    std::string files;
    for (const std::string& f : entry.files) files += "\n  " + f;
    throw UserError(
        name +
        ": can't be fetched: no address with a published checksum is known, its origin wants an account, or it is your "
        "own (" +
        entry.paper + "). Put into " + (fs::path(to) / name).string() + ":" + files);
  }
  fetch(*source, to, address);
  return 0;
}

}  // namespace tacet
