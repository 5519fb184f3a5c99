// See data_facts.h.
#include "cli/data_facts.h"

#include <filesystem>
#include <memory>
#include <set>

#include <nlohmann/json.hpp>

#include "base/places.h"
#include "data/catalog/sources.h"
#include "data/images/images.h"
#include "data/text/corpus.h"
#include "data/text/corpus_batches.h"
#include "data/text/labelled_text.h"
#include "data/text/parallel_text.h"
#include "tacet/image_data.h"

namespace tacet {
namespace {

using nlohmann::json;

DataFacts facts_of_images(const Recipe& recipe) {
  const auto set = load_images(recipe.data);
  return {.place = set->place,
          .train = set->train.size(),
          .valid = set->valid.size(),
          .test = set->test.size(),
          .shape = set->shape,
          .notes = set->notes,
          .labelled = Labelled{set->train.labels, set->train.users, set->classes, set->shape.classes}};
}

DataFacts facts_of_texts(const Recipe& recipe) {
  const LabelledText set = load_labelled_text(recipe.data);
  const auto narrow = [](const std::vector<int64_t>& v) { return std::vector<int32_t>(v.begin(), v.end()); };
  return {.train = set.train.size(),
          .valid = set.valid.size(),
          .test = set.test.size(),
          .vocabulary = static_cast<int64_t>(set.words.size()),
          .notes = set.notes,
          .labelled = Labelled{narrow(set.train.labels), narrow(set.train.users), set.classes,
                               static_cast<int64_t>(set.classes.size())}};
}

DataFacts facts_of_pairs(const Recipe& recipe) {
  const ParallelText set = load_parallel_text(recipe.data);
  return {.train = set.train.size(),
          .valid = set.valid.size(),
          .test = set.test.size(),
          .vocabulary = static_cast<int64_t>(set.subwords.size()),
          .notes = set.notes,
          .unlabelled = Labelled{std::vector<int32_t>(static_cast<size_t>(set.train.size())), {}, {}, 1}};
}

DataFacts facts_of_corpus(const DatasetInfo& row, const Recipe& recipe) {
  const auto corpus = std::make_shared<const Corpus>(load_corpus(recipe.data, row.name));
  const auto size = [](const auto& part) { return static_cast<int64_t>(part.size()); };
  DataFacts facts{.train = size(corpus->train),
                  .valid = size(corpus->valid),
                  .test = size(corpus->test),
                  .vocabulary = size(corpus->vocabulary)};
  if (!recipe.clients.has("count")) return facts;
  const auto clients = static_cast<int>(recipe.clients.integer("count"));
  const TextBatches batches(corpus, text_options(recipe.data), clients);
  for (int i = 0; i < clients; ++i) facts.shards.push_back(batches.shard_tokens(i));
  return facts;
}

// Returns the name of what a data set's splits count; empty for functions, which have no data.
std::string unit_of(const DatasetInfo& row) {
  if (row.task == "function") return "";
  if (row.task == "classification") return "images";
  if (row.task == "language-model") return "tokens";
  return row.task == "translation" ? "pairs" : "texts";
}

}  // namespace

std::vector<int64_t> histogram(const std::vector<int32_t>& labels, int64_t classes) {
  std::vector<int64_t> counts(static_cast<size_t>(classes));
  for (const int32_t label : labels) ++counts[static_cast<size_t>(label)];
  return counts;
}

std::string expected_folder(const DatasetInfo& row) {
  const Source* source = find_source(row.name);
  return (std::filesystem::path(data_folder()) / (source ? source->subfolder : row.name)).string();
}

DataFacts data_facts(const DatasetInfo& row, const Recipe& recipe) {
  if (row.task == "language-model") return facts_of_corpus(row, recipe);
  if (row.task == "classification") return facts_of_images(recipe);
  if (row.task == "sentence-pairs" || row.task == "text-classification") return facts_of_texts(recipe);
  if (row.task == "translation") return facts_of_pairs(recipe);
  return {};
}

const Labelled* dealt_by_partition(const DataFacts& facts) {
  if (facts.labelled) return &*facts.labelled;
  return facts.unlabelled ? &*facts.unlabelled : nullptr;
}

PartitionFacts partition_facts(const Recipe& recipe, const Labelled& set) {
  PartitionFacts f;
  f.options = partition_options(recipe.data);
  f.clients = static_cast<int>(recipe.clients.integer("count"));
  if (f.options.every_round && recipe.clients.has("participating"))
    f.clients = static_cast<int>(recipe.clients.integer("participating"));
  const bool shared = f.options.kind == "shared";  // all clients have the same, which is counted once
  for (const auto& share : partition(f.options, set.labels, set.users, shared ? 1 : f.clients)) {
    std::vector<int32_t> labels;
    for (const int32_t i : share) labels.push_back(set.labels[static_cast<size_t>(i)]);
    f.samples.push_back(static_cast<int64_t>(share.size()));
    f.classes.push_back(histogram(labels, set.count));
  }
  if (shared) {
    f.samples = std::vector<int64_t>(static_cast<size_t>(f.clients), f.samples.front());
    f.classes = std::vector<std::vector<int64_t>>(static_cast<size_t>(f.clients), f.classes.front());
  }
  return f;
}

json json_of_row(const DatasetInfo& row) {
  json j = {{"name", row.name}, {"summary", row.summary}, {"task", row.task}, {"origin", row.paper}, {"files", row.files}};
  if (!row.files.empty()) j["expected_in"] = expected_folder(row);
  if (const Source* source = find_source(row.name)) j["address"] = source->address;
  return j;
}

json json_of_data(const DatasetInfo& row, const DataFacts& f) {
  if (unit_of(row).empty()) return {{"found", true}};
  json j = {{"found", true},         {"unit", unit_of(row)}, {"training", f.train},
            {"validation", f.valid}, {"test", f.test},       {"notes", f.notes}};
  if (!f.place.empty()) j["place"] = f.place;
  if (f.vocabulary > 0) j["vocabulary"] = f.vocabulary;
  if (f.shape.height > 0)
    j["image"] = {{"channels", f.shape.channels}, {"height", f.shape.height}, {"width", f.shape.width}};
  if (f.labelled) {
    const Labelled& set = *f.labelled;
    j["classes"] = set.count;
    j["class_names"] = set.classes;
    j["labels"] = histogram(set.labels, set.count);
    if (!set.users.empty()) j["users"] = std::set<int32_t>(set.users.begin(), set.users.end()).size();
  }
  return j;
}

json json_of_shards(const Recipe& recipe, const DataFacts& facts) {
  json clients = json::array();
  for (const int64_t tokens : facts.shards) clients.push_back({{"tokens", tokens}});
  return {{"kind", text_options(recipe.data).partition}, {"clients", clients}};
}

json json_of_partition(const PartitionFacts& f) {
  json clients = json::array();
  for (size_t i = 0; i < f.samples.size(); ++i) clients.push_back({{"samples", f.samples[i]}, {"labels", f.classes[i]}});
  return {{"kind", f.options.kind}, {"seed", f.options.seed}, {"every_round", f.options.every_round}, {"clients", clients}};
}

}  // namespace tacet
