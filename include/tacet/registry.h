// What can be named in a recipe besides a method: models and data sets, each with its keys. The rows live beside the code
// they describe (src/models/model_catalog.cc, src/data/catalog/data_catalog.cc). Methods have their own table in
// algorithm.h.
#pragma once

#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

struct Entry {
  std::string name;
  std::string paper;    // or the origin and licence of a data set
  std::string summary;  // one sentence
  std::string task;     // "language-model", …: a model trains on data of the same task
  std::vector<Option> options;
  std::vector<std::string> files;  // data sets: the files expected under root; empty when embedded
};

const std::vector<Entry>& models();
const std::vector<Entry>& datasets();
// Each throws UserError naming the nearest entry.
const Entry& find_model(const std::string& name);
const Entry& find_dataset(const std::string& name);

}  // namespace tacet
