// Implements misfits.h.
#include "recipe/misfits.h"

#include "engine/auto_interval.h"
#include "engine/client_sampling.h"
#include "engine/schedule.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

using Misfits = std::vector<Misfit>;

void check_clients(const Recipe& recipe, Misfits& out) {
  const auto clients = read_options<ClientOptions>(recipe.clients);
  const bool some = clients.sampling == "dirichlet" || clients.sampling == "fixed" || clients.sampling == "periodic";
  if (some && !clients.participating)
    out.push_back(
        {"clients",
         "sampling",
         "needs clients.participating, how many take part in a round: without it all do, got " + to_toml(clients.sampling),
         {},
         true});
  if (!clients.count) return;
  const auto N = static_cast<int>(*clients.count);
  if (const auto wrong = sampling_complaint(clients, N)) out.push_back({"clients", "participating", *wrong, {}});
}

// Checks the bounds of a measured I, and what has to fit into I.
void check_interval(const Recipe& recipe, Misfits& out) {
  const Values& algorithm = recipe.algorithm;
  if (!algorithm.has("interval")) return;
  const IntervalOptions interval = interval_options(algorithm);
  const bool bounded = !interval.fixed && !interval.file;
  if (bounded && interval.least > interval.most)
    out.push_back(
        {"algorithm",
         "interval_min",
         "must be <= algorithm.interval_max = " + std::to_string(interval.most) + ", got " + std::to_string(interval.least),
         {}});
  if (!algorithm.has("delay") || (!interval.fixed && interval.file)) return;  // a file is not read here
  const int64_t least = interval.fixed.value_or(interval.least), delay = algorithm.integer("delay");
  if (delay > least)
    out.push_back({"algorithm",
                   "delay",
                   "must be <= algorithm." + std::string(bounded ? "interval_min = " : "interval = ") +
                       std::to_string(least) + ", got " + std::to_string(delay),
                   {}});
}

// Checks what only some methods can do.
void check_method(const Recipe& recipe, Misfits& out) {
  const Values& algorithm = recipe.algorithm;
  if (!algorithm.has("name")) return;
  const AlgorithmInfo& method = find_algorithm(algorithm.text("name"));
  const auto clients = read_options<ClientOptions>(recipe.clients);
  if (clients.count) {
    const std::string N = std::to_string(*clients.count);
    const int64_t S = clients.participating.value_or(*clients.count);
    if (method.single_client && *clients.count != 1)
      out.push_back({"clients", "count", "must be 1 for " + method.name + ", got " + N, {}});
    if (method.every_client && S < *clients.count)
      out.push_back({"clients",
                     "participating",
                     "must be clients.count = " + N + " for " + method.name +
                         ", where every client takes part in every round, got " + std::to_string(S),
                     {}});
  }
  check_interval(recipe, out);
  if (algorithm.has("phi_min") && algorithm.has("phi_max") && algorithm.number("phi_min") > algorithm.number("phi_max"))
    out.push_back({"algorithm",
                   "phi_min",
                   "must be <= algorithm.phi_max = " + to_toml(algorithm.number("phi_max")) + ", got " +
                       to_toml(algorithm.number("phi_min")),
                   {}});
  if (algorithm.has("message_length") && algorithm.has("alpha") &&
      algorithm.number("message_length") >= 2 * algorithm.number("alpha"))
    out.push_back({"algorithm",
                   "message_length",
                   "must be < 2 algorithm.alpha = " + to_toml(2 * algorithm.number("alpha")) + ", got " +
                       to_toml(algorithm.number("message_length")),
                   {}});
  if (algorithm.has("weighted") && algorithm.flag("weighted") && recipe.data.has("partition.every_round") &&
      recipe.data.flag("partition.every_round"))
    out.push_back({"algorithm",
                   "weighted",
                   "must be false with data.partition.every_round, which deals other shares in every round, got true",
                   {}});
  if (method.keeps_models && recipe.data.has("partition.every_round") && recipe.data.flag("partition.every_round"))
    out.push_back({"data",
                   "partition.every_round",
                   "must be false for " + method.name + ", whose unsampled clients train as well, got true",
                   {}});
  if (recipe.run.has("noise_scale") && recipe.run.flag("noise_scale") && method.keeps_models)
    out.push_back({"run",
                   "noise_scale",
                   "must be false for " + method.name +
                       ", whose clients keep models of their own, so that their gradients are not at one model, got true",
                   {}});
  const double deadline = recipe.run.has("round_deadline") ? recipe.run.number("round_deadline") : 0;
  if (deadline > 0 && !method.droppable())
    out.push_back({"run",
                   "round_deadline",
                   "must be 0 for " + method.name + ", whose rounds can't go on without a client, got " + to_toml(deadline),
                   {}});
}

// Checks what keeps the passes of all clients together, where rounds are to end with them.
void check_pass_ends(const Recipe& recipe, Misfits& out) {
  const Values& algorithm = recipe.algorithm;
  if (!algorithm.has("average_at_pass_end") || !algorithm.flag("average_at_pass_end")) return;
  const auto clients = read_options<ClientOptions>(recipe.clients);
  if (clients.count && clients.participating && *clients.participating < *clients.count &&
      !find_algorithm(algorithm.text("name")).keeps_models)
    out.push_back({"clients",
                   "participating",
                   "must be clients.count = " + std::to_string(*clients.count) +
                       " with algorithm.average_at_pass_end, as a client that is not there falls behind in its text, got " +
                       std::to_string(*clients.participating),
                   {}});
  const double deadline = recipe.run.has("round_deadline") ? recipe.run.number("round_deadline") : 0;
  if (deadline > 0)
    out.push_back({"run",
                   "round_deadline",
                   "must be 0 with algorithm.average_at_pass_end, as a client that comes too late falls behind in its text, "
                   "got " +
                       to_toml(deadline),
                   {}});
}

// Checks what the claim of a run with the system's noise does not cover, and the noise that leaves none for the changes.
void check_privacy(const Recipe& recipe, Misfits& out) {
  const Values& algorithm = recipe.algorithm;
  if (!algorithm.has("noise_multiplier")) return;
  const double z = algorithm.number("noise_multiplier");
  if (algorithm.has("bit_noise") && algorithm.number("bit_noise") <= z / 2)
    out.push_back(
        {"algorithm",
         "bit_noise",
         "must be > algorithm.noise_multiplier / 2 = " + to_toml(z / 2) + ", got " + to_toml(algorithm.number("bit_noise")),
         {}});
  if (!algorithm.has("noise_source") || algorithm.text("noise_source") != "system") return;
  const std::string with = " with algorithm.noise_source = \"system\"";
  if (z == 0) out.push_back({"algorithm", "noise_multiplier", "must be > 0" + with + ", got 0.0", {}});
  if (algorithm.has("message") && algorithm.text("message") != "f32")
    out.push_back({"algorithm",
                   "message",
                   "must be \"f32\"" + with + ", as coded changes may be longer than clip_norm, got " +
                       to_toml(algorithm.text("message")),
                   {}});
  const auto clients = read_options<ClientOptions>(recipe.clients);
  if (clients.count == 1 && !algorithm.has("privacy_delta"))
    out.push_back({"algorithm", "privacy_delta", "must be given where there is one client, got nothing", {}});
  if (clients.sampling != "uniform" && clients.sampling != "poisson")
    out.push_back(
        {"clients",
         "sampling",
         "must be \"poisson\" or \"uniform\"" + with + ", which the accountant knows, got " + to_toml(clients.sampling),
         {}});
  const double deadline = recipe.run.has("round_deadline") ? recipe.run.number("round_deadline") : 0;
  if (deadline > 0)
    out.push_back(
        {"run", "round_deadline", "must be 0" + with + ", as who comes in time shows, got " + to_toml(deadline), {}});
}

// Checks what goes with clients that are drawn by themselves, whose number varies and may be 0.
void check_varying_number(const Recipe& recipe, Misfits& out) {
  const auto clients = read_options<ClientOptions>(recipe.clients);
  const bool poisson = clients.sampling == "poisson";
  const std::string with = " with clients.sampling = \"poisson\", where their number varies, got ";
  const Values& algorithm = recipe.algorithm;
  if (poisson && algorithm.has("name") && !find_algorithm(algorithm.text("name")).droppable())
    out.push_back({"clients",
                   "sampling",
                   "must not be \"poisson\" for " + algorithm.text("name") +
                       ", whose rounds can't go on without a client, got \"poisson\"",
                   {}});
  const double deadline = recipe.run.has("round_deadline") ? recipe.run.number("round_deadline") : 0;
  if (poisson && deadline > 0) out.push_back({"run", "round_deadline", "must be 0" + with + to_toml(deadline), {}});
  const bool secret = algorithm.has("noise_source") && algorithm.text("noise_source") == "system";
  if ((poisson || secret) && recipe.data.has("partition.every_round") && recipe.data.flag("partition.every_round"))
    out.push_back(
        {"data",
         "partition.every_round",
         "must be false where the clients of a round are not known before, as with clients.sampling = \"poisson\" or "
         "algorithm.noise_source = \"system\", got true",
         {}});
}

void check_schedule(const Recipe& recipe, Misfits& out) {
  const auto schedule = read_options<ScheduleOptions>(recipe.schedule);
  if (!schedule.epochs && !schedule.rounds && !schedule.iterations)
    out.push_back({"schedule",
                   "",
                   "schedule must give epochs, rounds or iterations, got none of them",
                   {"epochs", "rounds", "iterations"}});
  const bool evaluates = !recipe.run.has("eval_every") || recipe.run.number("eval_every") > 0 ||
                         (recipe.run.has("eval_rounds") && recipe.run.integer("eval_rounds") > 0);
  if (schedule.nt_asgd && !evaluates)
    out.push_back({"schedule",
                   "nt_asgd",
                   "needs evaluations, which tell when the average begins, but run.eval_every is 0, got true",
                   {},
                   true});
  if (!schedule.cosine) return;
  const std::optional<double> end = schedule.end();
  if (!end)
    out.push_back(
        {"schedule",
         "cosine",
         "needs schedule." + schedule.unit + ", where it ends (schedule.unit = " + to_toml(schedule.unit) + "), got nothing",
         {schedule.unit}});
  else if (schedule.warmup >= *end)
    out.push_back({"schedule",
                   "warmup",
                   "must be < schedule." + schedule.unit + " = " + to_toml(*end) + " with schedule.cosine, got " +
                       to_toml(schedule.warmup),
                   {}});
}

void check_task(const Recipe& recipe, Misfits& out) {
  if (!recipe.data.has("name") || !recipe.model.has("name")) return;
  const auto& data = find_dataset(recipe.data.text("name"));
  const auto& model = find_model(recipe.model.text("name"));
  if (data.task != model.task)
    out.push_back(
        {"model",
         "name",
         "must be a model for " + data.task + " data such as " + data.name + ", got " + model.name + " for " + model.task,
         {}});
  if (model.task == "function" && recipe.run.has("dtype") && recipe.run.text("dtype") != "f32")
    out.push_back({"run", "dtype", "must be \"f32\" for functions, which multiply no matrices, got \"bf16\"", {}, true});
}

}  // namespace

std::vector<Misfit> misfits(const Recipe& recipe) {
  Misfits out;
  check_schedule(recipe, out);
  check_clients(recipe, out);
  check_method(recipe, out);
  check_pass_ends(recipe, out);
  check_privacy(recipe, out);
  check_varying_number(recipe, out);
  check_task(recipe, out);
  return out;
}

int clients_of(const Recipe& recipe, int workers) {
  return recipe.clients.has("count") ? static_cast<int>(recipe.clients.integer("count")) : workers;
}

Recipe with_clients(Recipe recipe, int workers) {
  recipe.clients.set("count", int64_t{clients_of(recipe, workers)});
  for (const Misfit& wrong : misfits(recipe)) {
    if (wrong.idle) continue;  // told where it was read, unless that was a run's own recipe
    throw UserError(wrong.key.empty() ? wrong.text : wrong.table + "." + wrong.key + " " + wrong.text);
  }
  return recipe;
}

}  // namespace tacet
