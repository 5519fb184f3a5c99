// The table of models: tacet's own rows, then those that a program adds. A model and its row are in a file of their own.
#include "models/model_catalog.h"

#include <deque>
#include <stdexcept>

#include <ATen/ops/cross_entropy_loss.h>

#include "problems/problem.h"
#include "tacet/error.h"
#include "tacet/image_model.h"
#include "tacet/language_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

ModelInfo completed(ModelInfo row) {
  if (row.image || row.language) row.options.push_back(init_option());
  return row;
}

std::deque<ModelInfo>& table() {
  static std::deque<ModelInfo> rows = [] {
    std::deque<ModelInfo> all;
    for (const ModelInfo& row : built_in_models()) all.push_back(completed(row));
    all.insert(all.end(), functions().begin(), functions().end());
    return all;
  }();
  return rows;
}

}  // namespace

Option init_option() {
  return {.name = "init",
          .kind = Kind::text,
          .doc = "safetensors file with the initial weights",
          .required = false,
          .free_on_resume = true,
          .per_machine = true,
          .path = Path::yes};
}

const std::deque<ModelInfo>& models() { return table(); }

void add_model(ModelInfo model) {
  const auto wrong = [&](const std::string& what) { return std::logic_error("add_model: \"" + model.name + "\" " + what); };
  if (model.name.empty() || model.task.empty()) throw wrong("must have a name and a task");
  for (const ModelInfo& other : table())
    if (other.name == model.name) throw wrong("is the name of a model already");
  if ((model.task == "classification") != static_cast<bool>(model.image))
    throw wrong("must have `image` where its task is \"classification\", and only there");
  if ((model.task == "language-model") != static_cast<bool>(model.language))
    throw wrong("must have `language` where its task is \"language-model\", and only there");
  if ((model.image || model.language) && find_option(model.options, "init"))
    throw wrong("must not have the key \"init\": every network has it, for a file with the initial weights");
  table().push_back(completed(std::move(model)));
}

const ModelInfo& find_model(const std::string& name) {
  std::vector<std::string> names;
  for (const ModelInfo& m : models()) {
    if (m.name == name) return m;
    names.push_back(m.name);
  }
  const auto near = nearest(name, names);
  throw UserError("model.name: there is no model \"" + name + "\"" +
                  (near ? "; did you mean \"" + *near + "\"?" : "; `tacet models` lists them"));
}

at::Tensor ImageModel::loss(const at::Tensor& scores, const at::Tensor& labels) const {
  return at::cross_entropy_loss(scores, labels);
}

std::shared_ptr<ImageModel> make_image_model(const Values& model, const ImageShape& shape, const Stream& weights,
                                             Precision precision) {
  const ModelInfo& row = find_model(model.text("name"));
  if (!row.image) throw std::logic_error(row.name + " is no image model");
  return row.image(model, shape, weights, precision);
}

std::unique_ptr<LanguageModel> make_language_model(const Values& model, int64_t vocabulary, uint64_t seed,
                                                   Precision precision) {
  const ModelInfo& row = find_model(model.text("name"));
  if (!row.language) throw std::logic_error(row.name + " is no language model");
  return row.language(model, vocabulary, seed, precision);
}

}  // namespace tacet
