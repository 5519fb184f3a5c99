// From a recipe to its objective: the one that [objective] names, or what [model] and [data] make together by the table of
// tasks, tacet's own and those that a program adds. An objective computes in a file of its own.
#include <map>
#include <stdexcept>

#include "tacet/error.h"
#include "tacet/objective.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"
#include "tacet/task.h"
#include "tasks/function_task.h"
#include "tasks/image_classification.h"
#include "tasks/language_modelling.h"
#include "tasks/text_classification.h"
#include "tasks/translation.h"

namespace tacet {
namespace {

std::map<std::string, MakeTask>& tasks() {
  static std::map<std::string, MakeTask> table = {
      {"function", make_function_objective},
      {"language-model", make_language_objective},
      {"classification", make_classification_objective},
      {"sentence-pairs", make_text_objective},
      {"text-classification", make_text_objective},
      {"translation", make_translation_objective},
  };
  return table;
}

std::unique_ptr<Objective> make_own_objective(const Recipe& recipe, int clients) {
  const ObjectiveInfo& own = find_objective(recipe.objective.text("name"));
  if (!own.make)
    throw std::logic_error("the objective \"" + own.name + "\" was added without a maker: hand it to train() itself");
  return own.make(recipe, clients);
}

}  // namespace

void add_task(const std::string& name, MakeTask make) {
  if (name.empty() || !make) throw std::logic_error("add_task: \"" + name + "\" must have a name and a maker");
  if (!tasks().emplace(name, std::move(make)).second)
    throw std::logic_error("add_task: \"" + name + "\" is the name of a task already");
}

std::unique_ptr<Objective> make_objective(const Recipe& recipe, int clients) {
  if (recipe.objective.has("name")) return make_own_objective(recipe, clients);
  const ModelInfo& model = find_model(recipe.model.text("name"));
  const DatasetInfo& data = find_dataset(recipe.data.text("name"));
  if (model.task != data.task)
    throw UserError("model.name: " + model.name + " is a " + model.task + ", data.name: " + data.name + " is for a " +
                    data.task);
  const auto task = tasks().find(model.task);
  if (task == tasks().end()) throw std::logic_error("no task \"" + model.task + "\" was added with add_task");
  return task->second(recipe, clients);
}

}  // namespace tacet
