// See evaluate_command.h.
#include "cli/evaluate_command.h"

#include <cmath>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "data/files/safetensors.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/recipe.h"
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
  if (!layers.empty() && names.count(layers.front().name)) return load_parameters(file, layers, objective.buffers());
  const std::string state = run.empty() ? "" : (fs::path(run) / "checkpoint" / "state.safetensors").string();
  if (run.empty() || !fs::exists(state))
    throw UserError(file + ": has no running statistics of batch normalisation, which this model evaluates with");
  load_parameters(state, {{"buffers", 0, objective.buffers().numel(), {objective.buffers().numel()}}}, objective.buffers());
}

}  // namespace

int cmd_eval(const std::string& model, const std::string& recipe_path, const std::vector<std::string>& sets) {
  if (!fs::exists(model)) throw UserError(model + ": there is no such run folder or file");
  const bool folder = fs::is_directory(model);
  if (!folder && recipe_path.empty()) throw UserError("--recipe: is needed to evaluate a file; a run's folder has its own");
  const Recipe recipe = load_recipe(recipe_path.empty() ? (fs::path(model) / "recipe.toml").string() : recipe_path, sets);
  set_threads(static_cast<int>(recipe.run.integer("threads")));
  const auto objective =
      make_objective(recipe, recipe.clients.has("count") ? static_cast<int>(recipe.clients.integer("count")) : 1);
  for (const std::string& note : objective->notes()) fmt::print(stderr, "tacet: warning: {}\n", note);
  for (const std::string& refusal : check_kernels(*objective, recipe).refusals())
    fmt::print(stderr, "tacet: warning: {}\n", refusal);
  Vec x = objective->initial();
  const std::string file = folder ? (fs::path(model) / "model.safetensors").string() : model;
  load_parameters(file, objective->layers(), x);
  if (objective->buffers().numel() > 0) load_buffers(*objective, file, folder ? model : "");
  const auto group = single_group();
  for (const std::string& split : objective->splits()) {
    const Score s = evaluate_all(*objective, *group, split, x);
    fmt::print("{} loss {:.6f}", split, s.loss / s.count);
    if (objective->has_perplexity()) fmt::print("  perplexity {:.3f}", std::exp(s.loss / s.count));
    if (objective->has_accuracy()) fmt::print("  accuracy {:.3f} %", 100 * s.correct / s.count);
    for (const auto& [name, value] : objective->figures(x)) fmt::print("  {} {:.6g}", name, value);
    fmt::print("  ({:.0f} samples)\n", s.count);
  }
  return 0;
}

}  // namespace tacet
