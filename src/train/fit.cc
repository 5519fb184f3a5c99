// See fit.h.
#include "train/fit.h"

#include <string>
#include <vector>

#include "engine/client_sampling.h"
#include "engine/pass_ends.h"
#include "recipe/run_options.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Returns the words for where the data come from.
std::string source_of(const Recipe& recipe) {
  return recipe.data.has("name") ? "data.name = " + to_toml(recipe.data.text("name")) : "an objective without";
}

// Checks that passes end, where local epochs are asked for.
void require_passes(const Recipe& recipe, Objective& objective) {
  if (!recipe.algorithm.has("local_epochs")) return;
  const auto clients = static_cast<int>(recipe.clients.integer("count"));
  const auto seed = static_cast<uint64_t>(recipe.run.integer("seed"));
  const std::vector<int> sampled = sample_clients(client_sampling(recipe.clients, clients), seed, 0);
  if (objective.client_pass(sampled.empty() ? 0 : sampled.front(), 0).samples > 0) return;
  throw UserError(
      "algorithm.local_epochs needs data of separate samples (images, labelled texts, sentence pairs), whose "
      "passes have an end, got " +
      source_of(recipe) + ": give algorithm.interval");
}

// Checks that passes end together, where rounds are to end with them.
void require_pass_ends(const Recipe& recipe, Objective& objective) {
  const Values& algorithm = recipe.algorithm;
  if (!algorithm.has("average_at_pass_end") || !algorithm.flag("average_at_pass_end")) return;
  if (steps_to_pass_end(objective, static_cast<uint64_t>(recipe.run.integer("seed")), 0) > 0) return;
  throw UserError(
      "algorithm.average_at_pass_end must be false unless all clients have equally long streams of text (language models), "
      "whose passes end together, got true with " +
      (recipe.data.has("partition.percent") ? "data.partition.percent, which makes them unequal" : source_of(recipe)));
}

// Checks that what is to be measured over the training set can be.
void require_measurable(const RunOptions& run, const Objective& objective) {
  if (run.eval_train && !objective.evaluates_training())
    throw UserError("run.eval_train must be false for this task, which does not evaluate its training set, got true");
  if (objective.gradient_units() > 0) return;
  const auto none = [](const std::string& key, const std::string& got) {
    throw UserError("run." + key +
                    " must be 0 for this objective, which has no gradient over its training set "
                    "(Objective::gradient_units is 0), got " +
                    got);
  };
  if (run.gradient_every > 0) none("gradient_every", to_toml(run.gradient_every));
  if (run.smoothness_every > 0) none("smoothness_every", std::to_string(run.smoothness_every));
}

// Checks that the system's noise covers all that is averaged.
void require_private(const Recipe& recipe, Objective& objective) {
  const Values& algorithm = recipe.algorithm;
  if (!algorithm.has("noise_source") || algorithm.text("noise_source") != "system") return;
  if (const int64_t b = objective.buffers().numel(); b > 0)
    throw UserError(
        "algorithm.noise_source must be \"keyed\" for a model with buffers (batch normalisation), as they are "
        "averaged without noise, got \"system\" with " +
        std::to_string(b) + " of them");
}

}  // namespace

void require_fit(const Recipe& recipe, Objective& objective) {
  require_passes(recipe, objective);
  require_pass_ends(recipe, objective);
  require_measurable(read_options<RunOptions>(recipe.run), objective);
  require_private(recipe, objective);
}

}  // namespace tacet
