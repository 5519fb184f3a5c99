// See training.h.
#include "train/training.h"

#include <algorithm>
#include <cmath>

#include "engine/tree_sum.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tasks/data_wait.h"
#include "train/client_state.h"
#include "train/process.h"

namespace tacet {
namespace {

std::optional<int64_t> integer_of(const Values& table, const char* key) {
  return table.has(key) ? std::optional(table.integer(key)) : std::nullopt;
}

int clients_of(const Recipe& recipe, int workers) {
  return static_cast<int>(recipe.clients.has("count") ? recipe.clients.integer("count") : workers);
}

Recipe with_clients(Recipe recipe, int workers) {
  recipe.clients.set("count", int64_t{clients_of(recipe, workers)});
  return recipe;
}

}  // namespace

RunSettings settings_of(const Recipe& recipe) {
  RunSettings s;
  s.seed = static_cast<uint64_t>(recipe.run.integer("seed"));
  s.threads = static_cast<int>(recipe.run.integer("threads"));
  s.eval_every = recipe.run.number("eval_every");
  s.checkpoint_every = recipe.run.number("checkpoint_every");
  s.checkpoint_keep = static_cast<int>(recipe.run.integer("checkpoint_keep"));
  s.log_every = recipe.run.integer("log_every");
  s.second_copy = recipe.run.flag("second_copy");
  s.state_in_file = recipe.run.text("client_state") == "file";
  s.skip_non_finite = recipe.run.text("non_finite") == "skip";
  s.round_deadline = recipe.run.number("round_deadline");
  if (recipe.schedule.has("epochs")) s.epochs = recipe.schedule.number("epochs");
  s.rounds = integer_of(recipe.schedule, "rounds");
  s.iterations = integer_of(recipe.schedule, "iterations");
  s.nt_asgd = recipe.schedule.flag("nt_asgd");
  s.nonmono = recipe.schedule.integer("nonmono");
  s.interval = static_cast<int>(integer_of(recipe.algorithm, "interval").value_or(1));
  if (recipe.algorithm.has("message")) s.messages = message_kind(recipe.algorithm.text("message"));
  return s;
}

Training::Training(const Recipe& given_recipe, int workers, Objective* given)
    : recipe(with_clients(given_recipe, workers)),
      settings(settings_of(recipe)),
      method(find_algorithm(recipe.algorithm.text("name"))),
      clients(clients_of(recipe, workers)),
      sampling(client_sampling(recipe.clients, clients)),
      schedule(make_schedule(recipe.schedule, recipe.algorithm, clients)) {
  if (method.single_client && clients != 1)
    throw UserError("algorithm.name: " + method.name + " runs on one client, clients.count is " + std::to_string(clients));
  if (method.every_client && sampling.participating != clients)
    throw UserError("clients.participating must be clients.count = " + std::to_string(clients) + " for " + method.name +
                    ", where every client takes part in every step, got " + std::to_string(sampling.participating));
  set_threads(settings.threads);
  release_large_blocks();
  if (given && !recipe.objective.has("name"))
    throw UserError(recipe.source + ": must name the program's own objective in [objective], instead of [data] and [model]");
  if (!given) own_objective = make_objective(recipe, clients);
  objective = given ? given : own_objective.get();
  make_algorithm();
  first_buffers = objective->buffers().clone();
}

double Training::fraction() const {
  const auto round = static_cast<double>(state.round), iteration = static_cast<double>(state.iteration);
  double done = 0;
  if (settings.epochs) done = std::max(done, epoch() / *settings.epochs);
  if (settings.rounds) done = std::max(done, round / static_cast<double>(*settings.rounds));
  if (settings.iterations) done = std::max(done, iteration / static_cast<double>(*settings.iterations));
  return std::min(done, 1.0);
}

bool Training::due(double every, double& next) const {
  if (every == 0 || epoch() + 1e-9 < next) return false;
  while (next <= epoch() + 1e-9) next += every;
  return true;
}

double Training::data_wait_seconds() const {
  const auto* data = dynamic_cast<const DataWait*>(objective);
  return data ? data->data_wait_seconds() : 0;
}

Visit Training::visitor() {
  return [this](StateVisitor& v) {
    state.visit(v, method.fresh_models);
    algorithm->state(v);
    messages->state(v);
    objective->state(v);
  };
}

void Training::make_algorithm() {
  algorithm = method.make(recipe.algorithm);
  messages = std::make_unique<MessageCoder>(settings.messages);
}

void Training::reset() {
  make_algorithm();
  put_clients([this](StateVisitor& v) { objective->state(v); }, {}, true);
  if (first_buffers.numel() > 0) objective->buffers().copy_(first_buffers);
  state = RunState{.faults = state.faults};
  state.x = objective->initial();
  evaluated.clear();
}

void Training::place_client_state(const Group& group, const std::string& folder) {
  if (!settings.state_in_file) return;
  if (folder.empty()) throw UserError("run.client_state: file needs a run folder (--out)");
  const auto homes = block_bounds(clients, group.size());
  const auto rank = static_cast<size_t>(group.rank());
  SpillClientState spill(folder, static_cast<int>(homes[rank]), static_cast<int>(homes[rank + 1]));
  algorithm->state(spill);
  messages->state(spill);
}

}  // namespace tacet
