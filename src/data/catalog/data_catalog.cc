// The table of data sets: tacet's own rows, then those that a program adds. A data set's row is in a file of its own.
#include <algorithm>
#include <deque>
#include <stdexcept>

#include "base/utf8.h"
#include "data/catalog/data_catalog.h"
#include "tacet/corpus.h"
#include "tacet/error.h"
#include "tacet/image_data.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

std::deque<DatasetInfo>& dataset_table() {
  static std::deque<DatasetInfo> rows = [] {
    const std::vector<DatasetInfo> all = built_in_datasets();
    return std::deque<DatasetInfo>(all.begin(), all.end());
  }();
  return rows;
}

}  // namespace

const std::deque<DatasetInfo>& datasets() { return dataset_table(); }

void add_dataset(DatasetInfo dataset) {
  const auto wrong = [&](const std::string& what) {
    return std::logic_error("add_dataset: \"" + dataset.name + "\" " + what);
  };
  if (dataset.name.empty() || dataset.task.empty()) throw wrong("must have a name and a task");
  for (const DatasetInfo& other : dataset_table())
    if (other.name == dataset.name) throw wrong("is the name of a data set already");
  if ((dataset.task == "classification") != static_cast<bool>(dataset.images))
    throw wrong("must have `images` where its task is \"classification\", and only there");
  if ((dataset.task == "language-model") != static_cast<bool>(dataset.corpus))
    throw wrong("must have `corpus` where its task is \"language-model\", and only there");
  dataset_table().push_back(std::move(dataset));
}

const DatasetInfo& find_dataset(const std::string& name) {
  std::vector<std::string> names;
  std::string all;
  for (const DatasetInfo& row : datasets()) {
    if (row.name == name) return row;
    names.push_back(row.name);
    all += (all.empty() ? "" : ", ") + row.name;
  }
  const auto near = nearest(name, names);
  throw UserError("data.name must be one of " + all + ", got " + in_quotes(name) +
                  (near ? "; did you mean \"" + *near + "\"?" : ""));
}

}  // namespace tacet
