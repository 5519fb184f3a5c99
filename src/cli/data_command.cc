// See data_command.h.
#include "cli/data_command.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "base/places.h"
#include "base/utf8.h"
#include "cli/fetch.h"
#include "data/catalog/sources.h"
#include "data/clients/partition.h"
#include "data/images/images.h"
#include "data/text/corpus.h"
#include "data/text/corpus_batches.h"
#include "data/text/labelled_text.h"
#include "data/text/parallel_text.h"
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

std::vector<int64_t> histogram(const std::vector<int32_t>& labels, int64_t classes) {
  std::vector<int64_t> counts(static_cast<size_t>(classes));
  for (const int32_t label : labels) ++counts[static_cast<size_t>(label)];
  return counts;
}

// Returns a bar, `width` characters long for the largest.
std::string bar(int64_t count, int64_t largest, int width) {
  std::string out;
  const auto length = largest > 0 ? static_cast<int>((count * width + largest - 1) / largest) : 0;
  for (int k = 0; k < length; ++k) out += "█";
  return out;
}

// The part of a training set that partitions read.
struct Labelled {
  std::vector<int32_t> labels, users;
  std::vector<std::string> classes;  // names, where known
  int64_t count = 0;                 // number of classes
};

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

void print_partition(const Recipe& recipe, const Labelled& set) {
  const PartitionOptions options = partition_options(recipe.data);
  const bool anew = options.every_round;
  auto clients = static_cast<int>(recipe.clients.integer("count"));
  if (anew && recipe.clients.has("participating")) clients = static_cast<int>(recipe.clients.integer("participating"));
  const Shares shares = partition(options, set.labels, set.users, clients);
  size_t most = 0;
  int64_t largest = 0;
  std::vector<std::vector<int64_t>> counts;
  for (const auto& share : shares) {
    std::vector<int32_t> labels;
    for (const int32_t i : share) labels.push_back(set.labels[static_cast<size_t>(i)]);
    counts.push_back(histogram(labels, set.count));
    most = std::max(most, share.size());
    largest = std::max(largest, *std::max_element(counts.back().begin(), counts.back().end()));
  }
  fmt::print("partition {}, seed {}{}: {} clients\n", options.kind, options.seed,
             anew ? ", dealt anew in every round, here the first one" : "", clients);
  constexpr int64_t columns = 64;
  const bool drawn = set.count <= columns;
  fmt::print("  {:>6} {:>8} {:>7}  {:<20}{}\n", "client", "samples", "classes", "",
             drawn ? "  labels, one column each" : "");
  for (size_t i = 0; i < shares.size(); ++i) {
    const auto classes = std::count_if(counts[i].begin(), counts[i].end(), [](int64_t n) { return n > 0; });
    const std::string size = bar(static_cast<int64_t>(shares[i].size()), static_cast<int64_t>(most), 20);
    const std::string padding(20 - size.size() / std::string("█").size(), ' ');
    fmt::print("  {:>6} {:>8} {:>7}  {}{}{}\n", i, shares[i].size(), classes, size, padding,
               drawn ? "  " + bars(counts[i], largest) : "");
  }
}

void print_labelled(const Recipe& recipe, const Labelled& set) {
  print_labels(set);
  if (!set.users.empty())
    fmt::print("users      {} of the training set\n", std::set<int32_t>(set.users.begin(), set.users.end()).size());
  if (recipe.clients.has("count")) print_partition(recipe, set);
}

void print_notes(const std::vector<std::string>& notes) {
  for (size_t k = 0; k < notes.size(); ++k) fmt::print("{:<10} {}\n", k == 0 ? "to note" : "", notes[k]);
}

void print_images(const Recipe& recipe) {
  const auto set = load_images(recipe.data);
  const ImageShape& s = set->shape;
  fmt::print("found in   {}\n", set->place);
  fmt::print("images     {} training, {}{} test; {} × {} × {}, {} classes\n", set->train.size(),
             set->valid.size() > 0 ? std::to_string(set->valid.size()) + " validation, " : "", set->test.size(), s.channels,
             s.height, s.width, s.classes);
  print_notes(set->notes);
  print_labelled(recipe, {set->train.labels, set->train.users, set->classes, s.classes});
}

void print_texts(const Recipe& recipe) {
  const LabelledText set = load_labelled_text(recipe.data);
  const auto narrow = [](const std::vector<int64_t>& v) { return std::vector<int32_t>(v.begin(), v.end()); };
  fmt::print("texts      {} training, {} validation, {} test; vocabulary {}\n", set.train.size(), set.valid.size(),
             set.test.size(), set.words.size());
  print_notes(set.notes);
  print_labelled(recipe,
                 {narrow(set.train.labels), narrow(set.train.users), set.classes, static_cast<int64_t>(set.classes.size())});
}

void print_pairs(const Recipe& recipe) {
  const ParallelText set = load_parallel_text(recipe.data);
  fmt::print("pairs      {} training, {} validation, {} test; {} subwords\n", set.train.size(), set.valid.size(),
             set.test.size(), set.subwords.size());
  print_notes(set.notes);
  if (recipe.clients.has("count"))
    print_partition(recipe, {std::vector<int32_t>(static_cast<size_t>(set.train.size())), {}, {}, 1});
}

void print_shards(const Recipe& recipe, std::shared_ptr<const Corpus> corpus) {
  const auto clients = static_cast<int>(recipe.clients.integer("count"));
  const TextOptions options = text_options(recipe.data);
  const TextBatches batches(std::move(corpus), options, clients);
  int64_t largest = 0;
  for (int i = 0; i < clients; ++i) largest = std::max(largest, batches.shard_tokens(i));
  fmt::print("partition {}: {} clients\n  {:>6} {:>10}\n", options.partition, clients, "client", "tokens");
  for (int i = 0; i < clients; ++i)
    fmt::print("  {:>6} {:>10}  {}\n", i, batches.shard_tokens(i), bar(batches.shard_tokens(i), largest, 20));
}

void print_corpus(const Recipe& recipe, const std::string& name) {
  const Corpus corpus = load_corpus(recipe.data, name);
  fmt::print("vocabulary {}, tokens: training {}, validation {}, test {}\n", corpus.vocabulary.size(), corpus.train.size(),
             corpus.valid.size(), corpus.test.size());
  if (recipe.clients.has("count")) print_shards(recipe, std::make_shared<const Corpus>(corpus));
}

}  // namespace

std::string bars(const std::vector<int64_t>& counts, int64_t largest) {
  static const char* const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string out;
  for (const int64_t n : counts) out += eighths[largest > 0 ? (8 * n + largest - 1) / largest : 0];
  return out;
}

int cmd_data_info(const std::string& name, const std::string& file, const std::vector<std::string>& sets) {
  const DatasetInfo& entry = find_dataset(name);
  const Recipe recipe = recipe_for(entry, file, sets);
  const std::string other = recipe.data.has("name") ? recipe.data.text("name") : "an objective without a data set";
  if (other != name) throw UserError("--recipe: must be a recipe for " + name + ", is one for " + other);
  fmt::print("{}: {}\ntask       {}\norigin     {}\n", entry.name, entry.summary, entry.task, entry.paper);
  for (size_t k = 0; k < entry.files.size(); ++k) fmt::print("{:<10} {}\n", k == 0 ? "files" : "", entry.files[k]);
  if (!entry.files.empty()) {
    const Source* source = find_source(name);
    fmt::print("looked for in data.root, else {}\n",
               (fs::path(data_folder()) / (source ? source->subfolder : name)).string());
    if (source) fmt::print("fetched by `tacet data fetch {}` from {}\n", name, source->address);
  }
  fmt::print("\n");
  if (entry.task == "language-model") print_corpus(recipe, name);
  if (entry.task == "classification") print_images(recipe);
  if (entry.task == "sentence-pairs" || entry.task == "text-classification") print_texts(recipe);
  if (entry.task == "translation") print_pairs(recipe);
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
