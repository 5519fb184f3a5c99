// See network_task.h.
#include "tasks/network_task.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "base/utf8.h"
#include "data/files/safetensors.h"
#include "data/record/data_record.h"
#include "tacet/recipe.h"

namespace tacet {

namespace {

constexpr size_t most = 10;  // names in a message

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

std::string told_of_unused(const std::string& init, const std::vector<std::string>& names) {
  std::string list;
  for (size_t k = 0; k < std::min(most, names.size()); ++k) list += (k > 0 ? ", " : "") + visible(names[k]);
  return std::to_string(names.size()) + (names.size() == 1 ? " tensor of model.init is" : " tensors of model.init are") +
         " not this model's and not used: " + list + (names.size() > most ? ", …" : "") + " (" + visible(init) + ")";
}

// Takes the running statistics of batch normalisation from the file where it has them all. Returns the names that are left.
std::vector<std::string> take_statistics(const std::string& init, std::vector<std::string> others, const FlatModule& flat) {
  const std::vector<Layer> layers = flat.buffer_layers();
  const auto there = [&](const Layer& l) { return std::find(others.begin(), others.end(), l.name) != others.end(); };
  if (layers.empty() || !std::all_of(layers.begin(), layers.end(), there)) return others;
  load_parameters(init, layers, flat.buffers());
  std::erase_if(others, [&](const std::string& name) {
    return std::any_of(layers.begin(), layers.end(), [&](const Layer& l) { return l.name == name; });
  });
  return others;
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
  notes_.insert(notes_.end(), notes.begin(), notes.end());
  if (const std::string init = init_of(recipe); !init.empty()) {
    record.files.push_back(mark_of("model.init", init));
    if (const std::string line = told_of_init(init, record); !line.empty()) notes_.push_back(line);
  }
  const Option* file = find_option(find_model(recipe.model.text("name")).options, "file");
  if (file && file->path != Path::no && recipe.model.has("file"))
    record.files.push_back(mark_of("model.file", recipe.model.text("file")));
  if (const auto other = other_data(recipe, record))
    notes_.push_back("these are not the run's data: " + *other + "; words and classes are numbered as there");
  record_ = to_json(record);
}

void NetworkObjective::adopt(torch::nn::Module& module, const Recipe& recipe, MakeModule again) {
  flat_.emplace(module);
  again_ = std::move(again);
  const std::string init = init_of(recipe);
  if (init.empty()) return;
  const std::vector<std::string> others = load_parameters(init, flat_->layers(), flat_->parameters());
  from_file_ = flat_->parameters().clone();
  const std::vector<std::string> unused = take_statistics(init, others, *flat_);
  if (!unused.empty()) notes_.push_back(told_of_unused(init, unused));
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
