// See train_command.h.
#include "cli/train_command.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <set>

#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/launch.h"
#include "cli/progress.h"
#include "data/client_sampling.h"
#include "data/safetensors.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/train.h"
#include "train/evaluate.h"
#include "train/threads.h"

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

int64_t parameter_count(const Objective& objective) {
  int64_t d = 0;
  for (const Layer& l : objective.layers()) d += l.size;
  return d;
}

// Seconds of one local step here and now: the second of two, since the first one also fills caches. Nothing is trained.
double step_seconds(Objective& objective, uint64_t seed, int client) {
  Vec y = objective.workspace();
  y.copy_(objective.initial());
  double seconds = 0;
  for (int64_t step : {0, 1}) {
    const auto start = std::chrono::steady_clock::now();
    objective.gradient({seed, client, 0, step, step}, y);
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return seconds;
}

// The most memory this process has had, in bytes.
double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

int dry_run(const Recipe& recipe, int workers) {
  const int clients = recipe.clients.has("count") ? static_cast<int>(recipe.clients.integer("count")) : workers;
  const auto objective = make_objective(recipe, clients);
  const Method& method = find_method(recipe.algorithm.text("name"));
  const int I = recipe.algorithm.has("interval") ? static_cast<int>(recipe.algorithm.integer("interval")) : 1;
  const int64_t d = parameter_count(*objective);
  const double vectors = clients > 1 ? method.vectors_sent(I) : 0;
  fmt::print("recipe      {}\n", recipe.source);
  fmt::print("model       {}, {} parameters ({})\n", recipe.model.text("name"), d,
             human_bytes(4.0 * static_cast<double>(d)));
  fmt::print("data        {}, {} training samples an epoch\n", recipe.data.text("name"), objective->training_samples());
  fmt::print("method      {}, {} clients, I = {}\n", method.name, clients, I);
  fmt::print("a round     {:g} vectors a client, {}\n", vectors, human_bytes(4.0 * vectors * static_cast<double>(d)));
  set_threads(static_cast<int>(recipe.run.integer("threads")));
  const auto seed = static_cast<uint64_t>(recipe.run.integer("seed"));
  const std::vector<int> present = sample_clients(client_sampling(recipe.clients, clients), seed, 0);
  const double seconds = step_seconds(*objective, seed, present.front());
  const int turns = (static_cast<int>(present.size()) + workers - 1) / workers;  // clients of the busiest worker
  fmt::print("time        {:.3g} s a local step here, about {:.3g} s a round on {} worker{}\n", seconds, seconds * I * turns,
             workers, workers == 1 ? "" : "s");
  fmt::print("memory      {} of a worker during a step\n", human_bytes(peak_memory()));
  return 0;
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

}  // namespace

int cmd_train(const TrainCommand& c) {
  const auto environment = placement_from_environment();
  const Recipe recipe = load_recipe(c.recipe, c.sets);
  const int workers = environment ? environment->size : std::max(1, c.workers);
  if (c.dry_run) return dry_run(recipe, workers);
  if (c.resume && c.out.empty()) throw UserError("--resume: give the run's folder with --out");
  const std::string out = c.out.empty() ? free_run_folder(c.recipe) : c.out;

  if (!environment && workers > 1) {
    check_run_folder(out, c.resume);  // one message now instead of one from every worker
    std::vector<std::string> argv = {"tacet", "train", c.recipe, "--out", out};
    for (const std::string& set : c.sets) argv.insert(argv.end(), {"--set", set});
    if (c.resume) argv.push_back("--resume");
    if (c.quiet) argv.push_back("--quiet");
    return launch_local(argv, workers, {});
  }

  std::unique_ptr<Group> group;
  if (environment) {
    GlooOptions o;
    o.rank = environment->rank;
    o.size = environment->size;
    o.address = environment->address;
    o.port = environment->port;
    o.interface_address = environment->interface_address;
    o.hosted = environment->hosted || c.launched;
    o.store = environment->store;
    o.timeout_seconds = recipe.run.number("peer_timeout");
    group = gloo_group(o);
  } else {
    group = single_group();
  }
  catch_signals(c.launched);
  TerminalProgress progress(c.quiet || group->rank() != 0);
  TrainOptions options;
  options.out = out;
  options.resume = c.resume;
  options.stop = &stop_requested;
  const Result result = train(recipe, *group, options, progress);
  if (group->rank() == 0) print_result(result, out);
  return result.status == "done" ? 0 : 128 + stop_signal.load();
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
  const auto objective =
      make_objective(recipe, recipe.clients.has("count") ? static_cast<int>(recipe.clients.integer("count")) : 1);
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
    fmt::print("  ({:.0f} samples)\n", s.count);
  }
  return 0;
}

}  // namespace tacet
