// See train_command.h.
#include "cli/train_command.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <set>

#include <unistd.h>

#include <fmt/format.h>

#include "cli/dry_run.h"
#include "cli/progress.h"
#include "comm/rendezvous/handshake.h"
#include "data/files/safetensors.h"
#include "launch/environment.h"
#include "launch/hosts.h"
#include "launch/launch.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/membership.h"
#include "tacet/train.h"
#include "train/evaluate.h"
#include "train/process.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Set by the first SIGINT or SIGTERM: the round in flight is finished, then the run stops with a checkpoint.
std::atomic<bool> stop_requested{false};
std::atomic<int> stop_signal{0};

void on_signal(int signal) {
  if (stop_requested.exchange(true)) _exit(128 + signal);  // the second one ends the process at once
  stop_signal = signal;
}

void catch_signals(bool launched) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  // A terminal sends Ctrl-C to every process of the job; workers wait for the launcher's word.
  if (launched) action.sa_handler = SIG_IGN;
  sigaction(SIGINT, &action, nullptr);
}

std::string free_run_folder(const std::string& recipe) {
  const std::string base = (fs::path("runs") / fs::path(recipe).stem()).string();
  std::error_code error;
  for (int k = 1;; ++k) {
    const std::string name = k == 1 ? base : base + "-" + std::to_string(k);
    if (!fs::exists(name, error) || (fs::is_directory(name, error) && fs::is_empty(name, error))) return name;
  }
}

void print_result(const Result& r, const std::string& out) {
  fmt::print("{}: {} rounds, {:.2f} epochs, {} communications, {} sent, {:.1f} s\n", r.status, r.rounds, r.epoch,
             r.communications, human_bytes(static_cast<double>(r.bytes_sent)), r.seconds);
  if (r.status != "done") {
    fmt::print("continue with the same command and --resume --out {}\n", out);
    return;
  }
  fmt::print("train loss {:.4f}", r.train_loss);
  for (const auto& [split, e] : r.final) {
    fmt::print(", {} loss {:.4f}", split, e.loss);
    if (r.perplexity) fmt::print(" (perplexity {:.2f})", std::exp(e.loss));
    if (std::isfinite(e.accuracy)) fmt::print(" (accuracy {:.2f} %)", 100 * e.accuracy);
  }
  fmt::print("\nrun folder {}\n", out);
}

std::vector<std::string> arguments_for_workers(const TrainCommand& c, const std::string& out) {
  std::vector<std::string> argv = {c.recipe, "--out", out};
  for (const std::string& set : c.sets) argv.insert(argv.end(), {"--set", set});
  if (c.resume) argv.push_back("--resume");
  if (c.quiet) argv.push_back("--quiet");
  return argv;
}

// The secret of a run on several machines, which no such run goes without.
std::string token_for(const TrainCommand& c, const Placement& place) {
  const std::string token = c.token_from_input ? token_from_input() : read_token(c.join_token);
  if (token.empty() && !is_loopback(place.interface_address))
    throw UserError("--join-token: workers on several machines (here at " + place.interface_address +
                    ") must share a secret, but none was given; make one with: openssl rand -hex 32 > token, copy it to "
                    "every machine, and give --join-token token or $TACET_JOIN_TOKEN there");
  return token;
}

// Workers times threads are the cores, unless fewer clients take part in a round. Where clients live does not change
// results. 1 without clients.count, which is the number of workers then.
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

// What someone who watches should know about cores that idle or are asked for twice. Without --workers there is one worker,
// not as many as fit: each takes the memory of a model.
void tell_placement(const Recipe& recipe, int workers, bool asked) {
  const int cores = available_cores(), fit = workers_that_fit(recipe);
  const auto threads = static_cast<int>(recipe.run.integer("threads"));
  if (workers * threads > cores)
    fmt::print(stderr, "{} workers of {} threads share {} cores and wait for each other; --workers auto starts {}\n",
               workers, threads, cores, fit);
  else if (!asked && fit > workers)
    fmt::print(stderr, "1 worker of {} threads on {} cores; --workers auto starts {}, for the same result\n", threads, cores,
               fit);
}

}  // namespace

int cmd_train(const TrainCommand& c) {
  if (!c.hosts.empty() && c.launched) become_ssh({split_hosts(c.hosts), c.ssh, c.port}, arguments_for_workers(c, c.out));
  const auto environment = placement_from_environment();
  Recipe recipe = load_recipe(c.recipe, c.sets);
  const int workers = environment ? environment->size : workers_for(recipe, c.workers);
  if (c.dry_run) return dry_run(recipe, workers);
  if (c.resume && c.out.empty()) throw UserError("--resume: give the run's folder with --out");
  const std::string out = c.out.empty() ? free_run_folder(c.recipe) : c.out;

  if (!c.hosts.empty() && environment) throw UserError("--hosts: " + environment->from + " is set and places this worker");
  if (!c.hosts.empty()) {
    if (!c.join_token.empty()) setenv("TACET_JOIN_TOKEN", read_token(c.join_token).c_str(), 1);
    return launch_hosts({split_hosts(c.hosts), c.ssh, c.port}, arguments_for_workers(c, out));
  }
  if (!environment && !c.quiet && isatty(STDERR_FILENO)) tell_placement(recipe, workers, c.workers != 0);
  // A worker that a launcher started has its token from there; of --workers none, they meet over loopback.
  const std::string token = !environment ? "" : c.launched ? read_token("") : token_for(c, *environment);
  // Where torchrun's agent serves the rendezvous it also starts lost workers again.
  const bool own_launcher =
      environment ? !c.launched && environment->size > 1 && environment->store == "tacet" : workers > 1;
  if (own_launcher) {
    // One message now instead of one from every worker; of several machines only the first one writes.
    if (!environment || environment->rank == 0) check_run_folder(out, c.resume);
    std::vector<std::string> argv = arguments_for_workers(c, out);
    argv.insert(argv.begin(), {"tacet", "train"});
    LaunchOptions launch;
    launch.supervise = true;
    launch.restarts = static_cast<int>(recipe.run.integer("restarts"));
    launch.place = environment;
    launch.token = token;
    return launch_local(argv, environment ? 1 : workers, launch);
  }

  catch_signals(c.launched);
  TrainOptions options;
  options.out = out;
  options.resume = c.resume;
  options.rejoin = c.rejoin;
  options.stop = &stop_requested;
  TerminalProgress progress(c.quiet);  // only rank 0 tells it anything
  const auto report = [&](const Result& result, bool first) {
    if (result.status == "ended") return 0;
    if (first) print_result(result, out);
    return result.status == "done" ? 0 : 128 + stop_signal.load();
  };
  if (!environment) {
    const auto group = single_group();
    return report(train(recipe, *group, options, progress), true);
  }
  GlooOptions place;
  place.rank = environment->rank;
  place.size = environment->size;
  place.address = environment->address;
  place.port = environment->port;
  place.interface_address = environment->interface_address;
  place.hosted = environment->hosted || c.launched;
  place.store = environment->store;
  place.token = token;
  place.timeout_seconds = recipe.run.number("peer_timeout");
  if (place.store != "tacet" || place.size == 1) {  // torchrun's agent starts all workers again by itself
    auto group = gloo_group(place);
    SharedOptions shared;
    shared.timeout_seconds = place.timeout_seconds;
    shared.required = recipe.run.text("exchange") == "shared";
    if (recipe.run.text("exchange") != "gloo") group = share_memory(std::move(group), shared);
    return report(train(recipe, *group, options, progress), group->rank() == 0);
  }
  recipe = with_clients(std::move(recipe), place.size);
  Membership membership({place, recipe.run.text("exchange"), static_cast<int>(recipe.run.integer("min_workers"))});
  try {
    const Result result = train(recipe, membership, options, progress);
    return report(result, result.first);
  } catch (const PeerLost& error) {
    if (!membership.stranded()) throw;
    fmt::print(stderr, "tacet: {}\n", error.what());
    return kStranded;
  }
}

namespace {

// Running statistics of normalisation: in the model's file, or in the checkpoint of its run.
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
  const auto objective = make_objective(recipe, clients_of(recipe, 1));
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
