// See evaluate_command.h.
#include "cli/evaluate_command.h"

#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "base/utf8.h"
#include "cli/model_file.h"
#include "cli/output.h"
#include "cli/progress.h"
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

// Returns the path of the data.json beside a model; empty, with a warning, where there is none and data are read.
std::string record_of(const std::string& file, const Recipe& recipe) {
  const std::string beside = data_record_beside(file);
  std::error_code error;
  if (fs::exists(beside, error)) return beside;
  if (recipe.data.has("name") && find_dataset(recipe.data.text("name")).task != "function")
    to_stderr(
        "tacet: warning: {} is not there: words and classes are numbered by the data themselves, which is right only "
        "for the very data that the model was trained on\n",
        beside);
  return "";
}

}  // namespace

int cmd_eval(const std::string& model, const std::string& recipe_path, const std::vector<std::string>& sets) {
  std::error_code error;
  if (!fs::exists(model, error))
    throw UserError(model + ": there is no such run folder or file" + (error ? ": " + error.message() : ""));
  const bool folder = fs::is_directory(model, error);
  if (!folder && recipe_path.empty()) throw UserError("--recipe: is needed to evaluate a file; a run's folder has its own");
  const std::string file = folder ? (fs::path(model) / "model.safetensors").string() : model;
  Recipe recipe = load_recipe(recipe_path.empty() ? (fs::path(model) / "recipe.toml").string() : recipe_path, sets);
  recipe.evaluation = true;
  recipe.data_record = record_of(file, recipe);
  set_threads(static_cast<int>(recipe.run.integer("threads")));
  const auto objective =
      make_objective(recipe, recipe.clients.has("count") ? static_cast<int>(recipe.clients.integer("count")) : 1);
  for (const std::string& note : objective->notes()) to_stderr("tacet: warning: {}\n", note);
  for (const std::string& refusal : check_kernels(*objective, recipe).refusals()) to_stderr("tacet: warning: {}\n", refusal);
  const Vec x = load_model(*objective, file, folder ? model : "");
  if (!x.isfinite().all().item<bool>()) to_stderr("tacet: warning: {}: has weights that are not finite\n", file);
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
