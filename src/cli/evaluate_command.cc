// See evaluate_command.h.
#include "cli/evaluate_command.h"

#include <cmath>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "base/utf8.h"
#include "cli/progress.h"
#include "data/files/safetensors.h"
#include "data/record/data_record.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"
#include "tacet/train.h"
#include "tasks/run_kernels.h"
#include "train/evaluate.h"
#include "train/process.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Loads the running statistics of normalisation from the model's file, or from the checkpoint of its run.
void load_buffers(Objective& objective, const std::string& file, const std::string& run) {
  const auto layers = objective.buffer_layers();
  std::set<std::string> names;
  for (const NamedTensor& t : read_safetensors(file)) names.insert(t.name);
  if (!layers.empty() && names.count(layers.front().name)) {
    load_parameters(file, layers, objective.buffers());
    return;
  }
  const std::string state = run.empty() ? "" : (fs::path(run) / "checkpoint" / "state.safetensors").string();
  if (run.empty() || !fs::exists(state))
    throw UserError(file + ": has no running statistics of batch normalisation, which this model evaluates with");
  load_parameters(state, {{"buffers", 0, objective.buffers().numel(), {objective.buffers().numel()}}}, objective.buffers());
}

// Warns of tensors of the file that are neither parameters nor running statistics of the model.
void tell_unused(const std::string& file, std::vector<std::string> names, const std::vector<Layer>& statistics) {
  for (const Layer& l : statistics) std::erase(names, l.name);
  for (const std::string& name : names)
    fmt::print(stderr, "tacet: warning: {}: tensor {} is not this model's and not used\n", file, visible(name));
}

// Returns the path of the data.json beside a model; empty, with a warning, where there is none and data are read.
std::string record_of(const std::string& file, const Recipe& recipe) {
  const std::string beside = data_record_beside(file);
  if (fs::exists(beside)) return beside;
  if (recipe.data.has("name") && find_dataset(recipe.data.text("name")).task != "function")
    fmt::print(stderr,
               "tacet: warning: {} is not there: words and classes are numbered by the data themselves, which is right only "
               "for the very data that the model was trained on\n",
               beside);
  return "";
}

}  // namespace

int cmd_eval(const std::string& model, const std::string& recipe_path, const std::vector<std::string>& sets) {
  if (!fs::exists(model)) throw UserError(model + ": there is no such run folder or file");
  const bool folder = fs::is_directory(model);
  if (!folder && recipe_path.empty()) throw UserError("--recipe: is needed to evaluate a file; a run's folder has its own");
  const std::string file = folder ? (fs::path(model) / "model.safetensors").string() : model;
  Recipe recipe = load_recipe(recipe_path.empty() ? (fs::path(model) / "recipe.toml").string() : recipe_path, sets);
  recipe.evaluation = true;
  recipe.data_record = record_of(file, recipe);
  set_threads(static_cast<int>(recipe.run.integer("threads")));
  const auto objective =
      make_objective(recipe, recipe.clients.has("count") ? static_cast<int>(recipe.clients.integer("count")) : 1);
  for (const std::string& note : objective->notes()) fmt::print(stderr, "tacet: warning: {}\n", note);
  for (const std::string& refusal : check_kernels(*objective, recipe).refusals())
    fmt::print(stderr, "tacet: warning: {}\n", refusal);
  Vec x = objective->initial();
  tell_unused(file, load_parameters(file, objective->layers(), x), objective->buffer_layers());
  if (objective->buffers().numel() > 0) load_buffers(*objective, file, folder ? model : "");
  if (!x.isfinite().all().item<bool>()) fmt::print(stderr, "tacet: warning: {}: has weights that are not finite\n", file);
  const auto group = single_group();
  for (const std::string& split : objective->splits()) {
    const Score s = evaluate_all(*objective, *group, split, x);
    fmt::print("{} loss {}", split, figure(s.loss / s.count, 6));
    if (objective->has_perplexity()) fmt::print("  perplexity {}", figure(std::exp(s.loss / s.count), 3));
    if (objective->has_accuracy()) fmt::print("  accuracy {:.3f} %", 100 * s.correct / s.count);
    for (const auto& [name, value] : objective->figures(x)) fmt::print("  {} {:.6g}", name, value);
    fmt::print("  ({:.0f} samples)\n", s.count);
  }
  return 0;
}

}  // namespace tacet
