// The facts about a data set that `tacet data info` shows, and the shares that a partition gives its clients.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "data/clients/partition.h"
#include "tacet/image_shape.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"

namespace tacet {

// The part of a training set that partitions read.
struct Labelled {
  std::vector<int32_t> labels, users;
  std::vector<std::string> classes;  // names, where known
  int64_t count = 0;                 // number of classes
};

struct DataFacts {
  std::string place;                       // the folder of images; empty: not told
  int64_t train = 0, valid = 0, test = 0;  // images, texts, pairs or tokens
  int64_t vocabulary = 0;                  // words or subwords; 0: no text
  ImageShape shape = {};                   // of images
  std::vector<std::string> notes;          // lines for people
  std::optional<Labelled> labelled;
  std::optional<Labelled> unlabelled;  // of pairs of texts: all in one class, which a partition deals
  std::vector<int64_t> shards = {};    // of a corpus, where the recipe gives clients.count: tokens by client
};

// Reads the recipe's data. Throws UserError where they are missing or unfit.
DataFacts data_facts(const DatasetInfo& row, const Recipe& recipe);

struct PartitionFacts {
  PartitionOptions options;
  int clients = 0;
  std::vector<int64_t> samples;               // by client
  std::vector<std::vector<int64_t>> classes;  // by client: samples of each class
};

// Deals the training set to the recipe's clients. REQUIRES: the recipe gives clients.count.
// Returns what a partition deals; null for corpora and functions.
const Labelled* dealt_by_partition(const DataFacts& facts);
PartitionFacts partition_facts(const Recipe& recipe, const Labelled& set);

// Returns the number of samples of each class.
std::vector<int64_t> histogram(const std::vector<int32_t>& labels, int64_t classes);

// Returns the folder in which the data set's files are expected without data.root.
std::string expected_folder(const DatasetInfo& row);

// Return the facts under stable keys (docs/reference/commands.md): those of the catalog, those of the files, and a
// partition.
nlohmann::json json_of_row(const DatasetInfo& row);
nlohmann::json json_of_data(const DatasetInfo& row, const DataFacts& facts);
nlohmann::json json_of_partition(const PartitionFacts& partition);
nlohmann::json json_of_shards(const Recipe& recipe, const DataFacts& facts);

}  // namespace tacet
