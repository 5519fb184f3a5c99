// See training.h.
#include "train/training.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engine/pass_ends.h"
#include "engine/tree_sum.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/registry.h"
#include "tasks/data_wait.h"
#include "tasks/run_kernels.h"
#include "train/client_state.h"
#include "train/fit.h"
#include "train/process.h"
#include "train/run_privacy.h"

namespace tacet {
namespace {

std::optional<IntervalRecord> repeated_of(const IntervalOptions& intervals) {
  return intervals.file ? std::optional(read_interval_record(*intervals.file)) : std::nullopt;
}

int64_t local_epochs_of(const Values& algorithm) {
  return algorithm.has("local_epochs") ? algorithm.integer("local_epochs") : 0;
}

bool pass_ends_of(const Values& algorithm) {
  return algorithm.has("average_at_pass_end") && algorithm.flag("average_at_pass_end");
}

MessageKind messages_of(const Values& algorithm) {
  return algorithm.has("message") ? message_kind(algorithm.text("message")) : MessageKind::f32;
}

}  // namespace

Training::Training(const Recipe& given_recipe, int workers, Objective* given)
    : recipe(with_clients(given_recipe, workers)),
      options(read_options<RunOptions>(recipe.run)),
      ends(read_options<ScheduleOptions>(recipe.schedule)),
      intervals(interval_options(recipe.algorithm)),
      local_epochs(local_epochs_of(recipe.algorithm)),
      pass_ends(pass_ends_of(recipe.algorithm)),
      method(find_algorithm(recipe.algorithm.text("name"))),
      clients(clients_of(recipe, workers)),
      sampling(client_sampling(recipe.clients, clients)),
      schedule(make_schedule(recipe.schedule, recipe.algorithm, clients)),
      repeated(repeated_of(intervals)) {
  require_delay();
  set_threads(options.threads);
  release_large_blocks();
  if (!given) own_objective = make_objective(recipe, clients);
  objective = given ? given : own_objective.get();
  data_record = objective->data_record();
  require_fit(recipe, *objective);
  kernels = check_kernels(*objective, recipe);
  make_algorithm();
  first_buffers = objective->buffers().clone();
}

int Training::first_interval() const {
  if (intervals.fixed) return static_cast<int>(*intervals.fixed);
  return static_cast<int>(repeated ? repeated->first : intervals.least);
}

int Training::interval() const {
  const auto decisions = decisions_in(state.intervals);
  return decisions.empty() ? first_interval() : static_cast<int>(decisions.back().interval);
}

void Training::require_delay() const {
  if (!repeated || !recipe.algorithm.has("delay")) return;
  int64_t least = repeated->first;
  for (const IntervalDecision& d : repeated->decisions) least = std::min(least, d.interval);
  if (const int64_t delay = recipe.algorithm.integer("delay"); delay > least)
    throw UserError("algorithm.delay must be <= the smallest interval in " + *intervals.file + ", which is " +
                    std::to_string(least) + ", got " + std::to_string(delay));
}

int Training::round_interval(int64_t round) const {
  if (method.draws_steps)
    return algorithm->draw_steps({static_cast<uint64_t>(options.seed), Stream::everyone, Purpose::round_length, round, 0},
                                 interval());
  const int64_t I = interval();
  if (!pass_ends) return static_cast<int>(I);
  const int64_t to_end = steps_to_pass_end(*objective, static_cast<uint64_t>(options.seed), state.iteration);
  return static_cast<int>(std::min(I - state.iteration % I, to_end));
}

int Training::steps_of(int client, int64_t round) const {
  if (local_epochs == 0) return round_interval(round);
  const ClientPass pass = objective->client_pass(client, round);
  const int64_t steps = pass.steps(local_epochs);
  if (steps > 1000000000)
    throw UserError("algorithm.local_epochs: " + std::to_string(local_epochs) + " epochs of client " +
                    std::to_string(client) + " must be <= 1e9 local steps, got " + std::to_string(steps));
  return static_cast<int>(steps);
}

double Training::round_steps() const {
  if (local_epochs == 0 && !pass_ends && intervals.fixed) return interval();
  return state.round > 0 ? static_cast<double>(state.iteration) / static_cast<double>(state.round) : 0;
}

double Training::fraction() const {
  const auto round = static_cast<double>(state.round), iteration = static_cast<double>(state.iteration);
  double done = 0;
  if (ends.epochs) done = std::max(done, epoch() / *ends.epochs);
  if (ends.rounds) done = std::max(done, round / static_cast<double>(*ends.rounds));
  if (ends.iterations) done = std::max(done, iteration / static_cast<double>(*ends.iterations));
  return std::min(done, 1.0);
}

std::vector<std::string> Training::overlong_round() const {
  std::vector<std::string> lines;
  if (ends.epochs && round_epochs() > *ends.epochs + 1e-9) {
    std::ostringstream text;
    text << "a round is " << round_epochs() << " epochs, more than schedule.epochs = " << *ends.epochs
         << ", and the run ends after a whole round: a smaller algorithm.interval or data.batch_size makes rounds shorter";
    lines.push_back(text.str());
  }
  if (ends.iterations && round_steps() > static_cast<double>(*ends.iterations)) {
    std::ostringstream text;
    text << "a round is " << round_steps() << " local steps, more than schedule.iterations = " << *ends.iterations
         << ", and the run ends after a whole round: a smaller algorithm."
         << (local_epochs > 0 ? "local_epochs" : "interval") << " makes rounds shorter";
    lines.push_back(text.str());
  }
  return lines;
}

std::vector<std::string> Training::warnings() const {
  std::vector<std::string> lines = overlong_round();
  if (measures_interval() && !repeated)
    lines.push_back(
        "algorithm.interval = \"auto\": I followed this run's own times, so another run may take other intervals and end "
        "with "
        "another model; algorithm.interval_file = the interval.json of this folder repeats them");
  return lines;
}

bool Training::due(double every, double& next) const {
  if (every == 0 || epoch() + 1e-9 < next) return false;
  next += every * (std::floor((epoch() + 1e-9 - next) / every) + 1);
  return true;
}

void Training::bring_dates_forward() {
  const auto at_most = [now = epoch()](double every, double& next) {
    // A date of the same option is no farther away, up to the rounding that due() allows, and stays as it is to the bit.
    if (every > 0 && next > now + every + 2e-9) next = now + every;
  };
  at_most(options.eval_every, state.next_eval);
  at_most(options.checkpoint_every, state.next_checkpoint);
  at_most(options.gradient_every, state.next_gradient);
}

bool Training::evaluation_due() {
  if (options.eval_rounds == 0) return due(options.eval_every, state.next_eval);
  return state.round > 0 && state.round % options.eval_rounds == 0 && state.eval_round != state.round;
}

double Training::data_wait_seconds() const {
  const auto* data = dynamic_cast<const DataWait*>(objective);
  return data ? data->data_wait_seconds() : 0;
}

Visit Training::visitor() {
  return [this](StateVisitor& v) {
    state.visit(v, method.fresh_models);
    if (options.noise_scale) state.noise.visit(v);
    if (options.smoothness_every > 0) state.smoothness.visit(v);
    algorithm->state(v);
    messages->state(v);
    objective->state(v);
  };
}

void Training::make_algorithm() {
  algorithm = method.make(recipe.algorithm);
  messages = std::make_unique<MessageCoder>(messages_of(recipe.algorithm), read_options<SparseOptions>(recipe.algorithm),
                                            method.parts_of(recipe.algorithm));
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
  if (options.client_state != "file") return;
  if (folder.empty()) throw UserError("run.client_state: file needs a run folder (--out)");
  const auto homes = block_bounds(clients, group.size());
  const auto rank = static_cast<size_t>(group.rank());
  SpillClientState spill(folder, static_cast<int>(homes[rank]), static_cast<int>(homes[rank + 1]));
  algorithm->state(spill);
  messages->state(spill);
}

}  // namespace tacet
