// See train_plan.h.
#include "cli/train_plan.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/places.h"
#include "base/terminal.h"
#include "cli/output.h"
#include "comm/rendezvous/handshake.h"
#include "launch/hosts.h"
#include "launch/meeting.h"
#include "recipe/sweep_table.h"
#include "tacet/error.h"
#include "train/process.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

std::string default_name(const std::string& recipe, int k) {
  const std::string base = (fs::path("runs") / fs::path(recipe).stem()).string();
  return k == 1 ? base : base + "-" + std::to_string(k);
}

// Makes the first folder of the default names that is not there, so that no run started beside this one takes it as well.
std::string made_run_folder(const std::string& recipe) {
  std::error_code error;
  fs::create_directories("runs", error);
  for (int k = 1;; ++k) {
    const std::string name = default_name(recipe, k);
    if (::mkdir(name.c_str(), 0777) == 0) return name;
    if (errno != EEXIST) throw UserError("--out: " + name + " can't be created: " + std::strerror(errno));
  }
}

// Returns the folder that worker 0, a process of its own, has made or will make.
std::string free_run_folder(const std::string& recipe) {
  std::error_code error;
  for (int k = 1;; ++k) {
    const std::string name = default_name(recipe, k);
    if (!fs::exists(name, error) || (fs::is_directory(name, error) && fs::is_empty(name, error))) return name;
  }
}

// Returns the secret of a run on several machines. Throws UserError when there is none.
std::string token_for(const TrainArguments& a, const Placement& place) {
  const std::string token = a.token_from_input ? token_from_input() : read_token(a.join_token);
  require_token(token, place, "--join-token", "--join-token token or $TACET_JOIN_TOKEN");
  return token;
}

// Returns the largest number of workers whose threads have a core each, but at most one for each client of a round.
// Placement does not change results. Returns 1 without clients.count, which then is the number of workers.
int workers_that_fit(const Recipe& recipe) {
  if (!recipe.clients.has("count")) return 1;
  int64_t clients = recipe.clients.integer("count");
  if (recipe.clients.has("participating")) clients = std::min(clients, recipe.clients.integer("participating"));
  const int64_t fit = available_cores() / recipe.run.integer("threads");
  return static_cast<int>(std::max<int64_t>(1, std::min(fit, clients)));
}

int workers_for(const Recipe& recipe, int asked) {
  if (asked != kWorkersAuto) return std::max(1, asked);
  if (!recipe.clients.has("count"))
    throw UserError("--workers: auto needs clients.count in the recipe, which without it is the number of workers");
  return workers_that_fit(recipe);
}

// Tells the user about cores that idle or are shared. The default is one worker, not as many as fit, because each takes the
// memory of a model.
void tell_placement(const Recipe& recipe, int workers, bool asked) {
  const int cores = available_cores(), fit = workers_that_fit(recipe);
  const auto threads = static_cast<int>(recipe.run.integer("threads"));
  if (workers * threads > cores)
    to_stderr("{} workers of {} threads share {} cores and wait for each other; --workers auto starts {}\n", workers,
              threads, cores, fit);
  else if (!asked && fit > workers)
    to_stderr("1 worker of {} threads on {} cores; --workers auto starts {}, for the same result\n", threads, cores, fit);
}

// Says that a recipe's grid is not run by `tacet train`.
void tell_sweep(const std::string& recipe, const SweepTable& sweep) {
  std::string keys;
  for (const SweepAxis& axis : sweep.axes) keys += (keys.empty() ? "" : ", ") + axis.key;
  if (!sweep.seeds.empty()) keys += (keys.empty() ? "" : ", ") + std::string("run.seed");
  if (!keys.empty())
    to_stderr("the recipe has a [sweep] of {}; its plain values are taken here, all of them by {} sweep {}\n", keys,
              program_name(), recipe);
}

// Returns true if this process starts workers instead of being one. torchrun's agent starts lost workers by itself, so a
// process that finds it is a worker.
bool starts_workers(const TrainPlan& plan) {
  if (!plan.place) return plan.workers > 1;
  return !plan.arguments.launched && plan.place->size > 1 && plan.place->store == "tacet";
}

// Throws UserError where --workers and a launcher's variables both say how many workers there are.
void require_one_launcher(const TrainArguments& a, const Placement& place) {
  if (a.workers == 0 || a.launched) return;
  std::string without = "env";
  for (const std::string& name : place.names) without += " -u " + name;
  throw UserError("--workers: must not be given where a launcher places the workers, but " + place.told +
                  " make this process worker " + std::to_string(place.rank) + " of " + std::to_string(place.size) +
                  "; leave --workers away to be that worker, or start workers here with: " + without + " " + program_name() +
                  " train … --workers " + (a.workers == kWorkersAuto ? "auto" : std::to_string(a.workers)));
}

// Returns this process's place by a launcher's variables. Throws UserError where they are wrong, or --workers stands beside
// them.
std::optional<Placement> placement_for(const TrainArguments& a) {
  std::optional<Placement> place;
  try {
    place = placement_from_environment();
  } catch (const UserError& error) {
    if (a.workers == 0 || a.launched) throw;
    throw UserError(std::string(error.what()) +
                    "; --workers is given as well: without these variables it starts the workers");
  }
  if (place) require_one_launcher(a, *place);
  return place;
}

void name_folder(TrainPlan& plan) {
  if (!plan.out.empty()) return;
  plan.made_out = !plan.place || plan.place->rank == 0;
  plan.out = plan.made_out ? made_run_folder(plan.arguments.recipe) : free_run_folder(plan.arguments.recipe);
}

}  // namespace

TrainPlan resolve(const TrainArguments& a) {
  TrainPlan plan;
  plan.arguments = a;
  plan.out = a.out;
  if (!a.hosts.empty() && a.launched) {
    plan.step = TrainPlan::Step::reach_host;
    return plan;
  }
  plan.place = placement_for(a);
  SweptRecipe loaded = load_swept_recipe(a.recipe, a.sets);
  plan.recipe = std::move(loaded.recipe);
  if (!a.join_token.empty() && a.hosts.empty() && !plan.place)
    throw UserError(
        "--join-token: is used with --hosts, or where a launcher places workers on several machines; workers of "
        "one machine need none");
  if (!a.quiet && !a.launched && (!plan.place || plan.place->rank == 0)) tell_sweep(a.recipe, loaded.sweep);
  plan.workers = plan.place ? plan.place->size : workers_for(plan.recipe, a.workers);
  if (!plan.place && !a.hosts.empty()) plan.workers = static_cast<int>(split_hosts(a.hosts).size());
  if (const int64_t least = plan.recipe.run.integer("min_workers"); least > plan.workers)
    throw UserError(fmt::format("run.min_workers must be at most the number of workers, {}, got {}", plan.workers, least));
  if (a.dry_run) {
    plan.step = TrainPlan::Step::dry_run;
    return plan;
  }
  if (a.resume && a.out.empty()) throw UserError("--resume: give the run's folder with --out");
  if (!a.hosts.empty() && plan.place) throw UserError("--hosts: " + plan.place->from + " is set and places this worker");
  if (!a.hosts.empty()) {
    plan.step = TrainPlan::Step::start_hosts;
    if (!a.join_token.empty()) plan.token = read_token(a.join_token);
    name_folder(plan);
    return plan;
  }
  if (!plan.place && !a.quiet && is_terminal(STDERR_FILENO)) tell_placement(plan.recipe, plan.workers, a.workers != 0);
  // A launcher gives its workers their token. Workers of --workers meet over loopback and need none.
  if (plan.place) plan.token = a.launched ? read_token("") : token_for(a, *plan.place);
  plan.step = starts_workers(plan) ? TrainPlan::Step::start_workers : TrainPlan::Step::run;
  name_folder(plan);
  return plan;
}

}  // namespace tacet
