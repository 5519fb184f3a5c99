// See network_task.h.
#include "tasks/network_task.h"

#include <filesystem>
#include <utility>

#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "data/files/safetensors.h"
#include "data/record/data_record.h"
#include "tacet/recipe.h"

namespace tacet {

namespace {

// Returns model.init; empty where it is not given or not read.
std::string init_of(const Recipe& recipe) {
  return recipe.model.has("init") && !recipe.evaluation ? recipe.model.text("init") : "";
}

// Returns a line for people about the record beside model.init: whether it was there, and classes that it numbers otherwise.
std::string told_of_init(const std::string& init, const DataRecord& now) {
  const std::string beside = data_record_beside(init);
  if (!std::filesystem::exists(beside))
    return beside +
           " is not there: that the words and classes of model.init are numbered as these data number them can't be checked";
  const DataRecord then = read_data_record(beside);
  if (then.classes != now.classes)
    return "the classes are not those of model.init, or are numbered otherwise there: see " + beside;
  return then.vocabulary.empty() && then.subwords.empty() ? "" : "words are numbered as in " + beside + ", for model.init";
}

// Returns the difference between the data of an evaluation and those of its run, if there is one. Files that only a training
// run reads are not compared.
std::optional<std::string> other_data(const Recipe& recipe, const DataRecord& now) {
  if (recipe.data_record.empty()) return std::nullopt;
  DataRecord then = read_data_record(recipe.data_record);
  std::erase_if(then.files, [](const FileMark& file) { return file.name == "model.init" || file.name == "data.subwords"; });
  then.users = now.users;
  return difference(then, now);
}

}  // namespace

std::optional<DataRecord> numbering_of(const Recipe& recipe) {
  if (!recipe.data_record.empty()) return read_data_record(recipe.data_record);
  const std::string init = init_of(recipe), beside = data_record_beside(init);
  if (init.empty() || !std::filesystem::exists(beside)) return std::nullopt;
  DataRecord record = read_data_record(beside);
  return DataRecord{.place = beside,
                    .data_set = record.data_set,
                    .vocabulary = std::move(record.vocabulary),
                    .subwords = std::move(record.subwords)};
}

void NetworkObjective::keep(const Recipe& recipe, DataRecord record, const std::vector<std::string>& notes) {
  notes_ = notes;
  if (const std::string init = init_of(recipe); !init.empty()) {
    record.files.push_back(mark_of("model.init", init));
    if (const std::string line = told_of_init(init, record); !line.empty()) notes_.push_back(line);
  }
  if (const auto other = other_data(recipe, record))
    notes_.push_back("these are not the run's data: " + *other + "; words and classes are numbered as there");
  record_ = to_json(record);
}

void NetworkObjective::adopt(torch::nn::Module& module, const Recipe& recipe, MakeModule again) {
  flat_.emplace(module);
  again_ = std::move(again);
  const std::string init = init_of(recipe);
  if (init.empty()) return;
  load_parameters(init, flat_->layers(), flat_->parameters());
  from_file_ = flat_->parameters().clone();
}

Vec NetworkObjective::initial() {
  if (from_file_.defined()) return from_file_.clone();
  if (at_start_) return flat_->parameters().clone();
  const auto module = again_();
  return FlatModule(*module).parameters();
}

void NetworkObjective::load(const Vec& y) {
  if (y.data_ptr() == flat_->parameters().data_ptr()) return;
  const torch::NoGradGuard no_grad;
  workspace().copy_(y);
}

}  // namespace tacet
