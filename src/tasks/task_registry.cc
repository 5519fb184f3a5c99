// From a recipe's [model] and [data] to the objective they make together: one line a task. What an objective computes is in
// its own file.

#include "tacet/error.h"
#include "tacet/registry.h"
#include "tacet/task.h"
#include "tasks/function_task.h"
#include "tasks/image_classification.h"
#include "tasks/language_modelling.h"
#include "tasks/text_classification.h"
#include "tasks/translation.h"

namespace tacet {
namespace {

using Make = std::unique_ptr<Objective> (*)(const Recipe& recipe, int clients);

const std::map<std::string, Make>& tasks() {
  static const std::map<std::string, Make> table = {
      {"function", make_function_objective},
      {"language-model", make_language_objective},
      {"classification", make_classification_objective},
      {"sentence-pairs", make_text_objective},
      {"text-classification", make_text_objective},
      {"translation", make_translation_objective},
  };
  return table;
}

}  // namespace

std::unique_ptr<Objective> make_objective(const Recipe& recipe, int clients) {
  const Entry& model = find_model(recipe.model.text("name"));
  const Entry& data = find_dataset(recipe.data.text("name"));
  if (model.task != data.task)
    throw UserError("model.name: " + model.name + " is a " + model.task + ", data.name: " + data.name + " is for a " +
                    data.task);
  return tasks().at(model.task)(recipe, clients);
}

}  // namespace tacet
