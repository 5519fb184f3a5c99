// The tables of methods, models, data sets, tasks and objectives that a recipe can name, each with its keys. Built-in rows
// stand beside the code they describe. A program may add rows of its own, from one thread, before it reads a recipe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tacet/image_shape.h"
#include "tacet/options.h"
#include "tacet/precision.h"
#include "tacet/random.h"

namespace tacet {

class ImageModel;
class LanguageModel;
class Objective;
struct Corpus;
struct ImageData;
struct Recipe;

struct AlgorithmInfo;  // tacet/algorithm.h

// Adds a method, so that recipes can name it. Throws std::logic_error for a name that is taken or a row that is not whole.
void add_algorithm(AlgorithmInfo row);
// Returns all methods: the built-in ones, then those that were added. References to rows stay valid.
const std::deque<AlgorithmInfo>& algorithms();
// Returns the method of that name. Throws UserError naming the nearest one.
const AlgorithmInfo& find_algorithm(const std::string& name);

struct ModelInfo {
  std::string name;
  std::string paper;            // authors, venue, year
  std::string summary;          // one sentence
  std::string task;             // "classification", …; a model trains on data of its own task
  std::vector<Option> options;  // without "name"
  // The maker of the network, for task "classification" (image_model.h) or "language-model" (language_model.h). Other tasks
  // make their models themselves. Rows with a maker get the key `init`, a file with initial weights.
  std::function<std::shared_ptr<ImageModel>(const Values& model, const ImageShape& shape, const Stream& weights,
                                            Precision precision)>
      image = {};
  std::function<std::unique_ptr<LanguageModel>(const Values& model, int64_t vocabulary, uint64_t seed, Precision precision)>
      language = {};
};

struct DatasetInfo {
  std::string name;
  std::string paper;                    // origin and licence
  std::string summary;                  // one sentence
  std::string task;                     // as in ModelInfo
  std::vector<Option> options;          // without "name"
  std::vector<std::string> files = {};  // expected in the folder data.root; empty when nothing is read
  // The reader, for task "classification" (image_data.h) or "language-model" (corpus.h). Other tasks read their data
  // themselves.
  std::function<ImageData(const Values& data)> images = {};
  std::function<Corpus(const Values& data)> corpus = {};
};

// Makes the objective of a recipe whose model and data set are of the task.
using MakeTask = std::function<std::unique_ptr<Objective>(const Recipe& recipe, int clients)>;

// Return all rows: tacet's own, then those that were added. References to rows stay valid.
const std::deque<ModelInfo>& models();
const std::deque<DatasetInfo>& datasets();
// Return the row of that name. Throw UserError naming the nearest one.
const ModelInfo& find_model(const std::string& name);
const DatasetInfo& find_dataset(const std::string& name);

// Add a row. Throw std::logic_error for a name that is taken, or a row without the maker or reader that its task needs.
void add_model(ModelInfo model);
void add_dataset(DatasetInfo dataset);
void add_task(const std::string& name, MakeTask make);

// An objective of a program's own. A recipe that names it in [objective] has neither [data] nor [model].
struct ObjectiveInfo {
  std::string name;
  std::string summary;               // one sentence
  std::vector<Option> options = {};  // keys of [objective], without "name"
  // The maker; its values are recipe.objective. Absent where the program hands its objective to train() itself.
  MakeTask make = {};
};

// Returns the objectives that were added. References to rows stay valid.
const std::deque<ObjectiveInfo>& objectives();
// Throws UserError naming the nearest row.
const ObjectiveInfo& find_objective(const std::string& name);
// Adds a row. Throws std::logic_error for a name that is missing or taken.
void add_objective(ObjectiveInfo objective);

}  // namespace tacet
