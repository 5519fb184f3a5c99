// See dry_run.h.
#include "cli/dry_run.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/files.h"
#include "base/places.h"
#include "cli/progress.h"
#include "cli/setting.h"
#include "data/catalog/sources.h"
#include "data/catalog/stand_in.h"
#include "data/files/locate.h"
#include "engine/auto_interval.h"
#include "engine/client_sampling.h"
#include "engine/message_coding.h"
#include "machine/processor.h"
#include "report/json_text.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/registry.h"
#include "tacet/train.h"
#include "train/fit.h"
#include "train/interval_record.h"
#include "train/process.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

constexpr double patience = 15;  // seconds; a longer step is not timed

int64_t parameter_count(const std::vector<Layer>& layers) {
  int64_t d = 0;
  for (const Layer& l : layers) d += l.size;
  return d;
}

// Returns the bytes of a client's messages in a round. Where parts of the model take turns, the mean over their rounds.
double round_bytes(const AlgorithmInfo& method, const Values& algorithm, double vectors, const std::vector<Layer>& layers) {
  const MessageKind kind = message_kind(algorithm.has("message") ? algorithm.text("message") : std::string("f32"));
  const auto sparse = read_options<SparseOptions>(algorithm);
  const int parts = method.parts_of(algorithm);
  int64_t words = 0;
  for (const ModelPart& part : parts_in_turn(layers, parts, "algorithm." + method.parts))
    words += message_layout(kind, sparse, part.layers).words();
  return 4.0 * vectors * static_cast<double>(words) / parts;
}

// Returns the most bytes of memory that this process has had since forget_peak(), or since its start where the system can't
// forget.
double peak_memory() {
  if (const double peak = proc_bytes("/proc/self/status", "VmHWM"); peak > 0) return peak;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}
void forget_peak() {
  ::malloc_trim(0);  // frees the leftovers of earlier measurements
  std::ofstream("/proc/self/clear_refs") << 5;
}

struct Cost {
  double seconds = 0;  // a local step's
  double bytes = 0;    // the process's most memory during it
};

// Returns the cost of the second of two steps, since the first one also fills caches. A first step of more than 2 s counts
// itself. Trains nothing.
Cost step_cost(Objective& objective, uint64_t seed, int client) {
  forget_peak();
  const Vec initial = objective.initial();
  Vec y = objective.workspace();
  y.copy_(initial);
  Cost cost;
  for (int64_t step : {0, 1}) {
    const auto start = Clock::now();
    objective.gradient({seed, client, 0, step, 0}, y);
    cost.seconds = since(start);
    if (cost.seconds > 2) break;
  }
  cost.bytes = peak_memory();
  return cost;
}

// Returns the seconds at batch b, on the line through two measured batches, b1 < b2 < b. Where a busy machine made the
// larger batch the quicker one, returns them in proportion to it.
double line_through(double b1, double y1, double b2, double y2, double b) {
  return y2 > y1 ? y1 + (y2 - y1) * (b - b1) / (b2 - b1) : y2 * b / b2;
}

// Stand-in data of a recipe, written once, when the first objective is asked for.
class StandIn {
 public:
  StandIn(const Recipe& recipe, int clients) : recipe_(recipe), clients_(clients) {}

  // Returns the recipe's objective on them, with another batch size, no larger than the recipe's.
  std::unique_ptr<Objective> objective(int64_t batch) {
    if (!written_) write();
    recipe_.data.set("batch_size", batch);
    return make_objective(recipe_, clients_);
  }

 private:
  void write() {
    const int64_t width = recipe_.model.has("embedding") ? recipe_.model.integer("embedding") : 0;
    const std::string folder = scratch_.path("data");
    fs::create_directory(folder);
    recipe_.data = write_stand_in(recipe_.data, clients_, width, folder);
    written_ = true;
  }

  Recipe recipe_;
  const int clients_;
  const ScratchFolder scratch_{"tacet-dry-run"};
  bool written_ = false;
};

// A step's cost and its model's size, judged from smaller batches.
struct Guess {
  double seconds = 0;  // the step's, extrapolated
  int64_t batch = 0;   // largest that was measured
  double bytes = 0;    // memory of that batch: less than the step needs, and too noisy to extrapolate
  std::vector<Layer> layers;
};

// Judges a step from two smaller batches where one at the batch itself would take too long or too much memory. Returns
// nothing where it would not, or for fewer than 16 samples.
std::optional<Guess> extrapolated(const Recipe& recipe, StandIn& stand_in, int client) {
  const int64_t batch = recipe.data.integer("batch_size"), small = (batch + 31) / 32;
  if (batch < 16) return std::nullopt;
  const auto seed = static_cast<uint64_t>(recipe.run.integer("seed"));
  std::vector<Layer> layers;
  const auto measure = [&](int64_t size) {
    const auto objective = stand_in.objective(size);
    layers = objective->layers();
    return step_cost(*objective, seed, client);
  };
  const double before = proc_bytes("/proc/self/status", "VmRSS");
  const Cost one = measure(small);
  const auto too_much = [&](int64_t other) {
    const double times = static_cast<double>(other) / static_cast<double>(small);
    return times * one.seconds > patience ||
           times * (one.bytes - before) > 0.5 * proc_bytes("/proc/meminfo", "MemAvailable");
  };
  if (!too_much(batch)) return std::nullopt;
  int64_t larger = batch / 2;  // far from the small one, so that noise counts less
  while (larger > 2 * small && too_much(larger)) larger /= 2;
  const Cost two = measure(larger);
  const auto n = [](int64_t size) { return static_cast<double>(size); };
  return Guess{line_through(n(small), one.seconds, n(larger), two.seconds, n(batch)), larger, two.bytes, layers};
}

// The findings of a dry run.
struct DryRun {
  std::string recipe, method, subject;  // subject: the model's name, or the objective's
  bool own = false;                     // an objective of the program's own
  int64_t parameters = 0;
  std::string data;  // empty: the objective's own
  int64_t training = 0;
  std::string unit = "samples";
  std::vector<std::string> notes;
  std::string missing;  // the reason why a stand-in took the data's place; empty: they are there
  int clients = 1, workers = 1,
      interval = 1;               // interval: with local epochs the most steps of a client; the first I of "auto"
  int training_clients = 1;       // clients that take local steps in the first round
  int threads = 1, cores = 0;     // a worker's threads; the cores for all workers here, 0: they have machines of their own
  int longest = 1;                // the largest I of "auto"; else the interval
  bool measured = false;          // interval = "auto"
  double vectors = 0, bytes = 0;  // of one client's messages in a round
  Cost cost;
  double round_seconds = 0;
  double longest_seconds = 0;  // of a round with `longest`
  int64_t guessed_from = 0;    // largest batch that was measured where the step was not; 0: the step itself was measured
  Recipe setting;              // with clients.count
};

void print_missing(const DatasetInfo& data, const std::string& what) {
  fmt::print("missing     {}\n", what);
  if (const Source* source = find_source(data.name)) {
    fmt::print("get it      tacet data fetch {}   (from {})\n", data.name, source->address);
  } else {
    fmt::print("get it      from its authors: {}\n", data.paper);
    const fs::path folder = fs::path(data_folder()) / data.name;
    for (const std::string& file : data.files) fmt::print("            {}\n", (folder / file).string());
  }
  fmt::print("            below: figures with stand-in data of the same shape\n");
}

std::string counted(int n, const std::string& thing) { return fmt::format("{} {}{}", n, thing, n == 1 ? "" : "s"); }

// Prints which of the workers idle, and which share cores. Neither makes a round shorter.
void print_surplus(const DryRun& r) {
  if (const int idle = r.workers - r.training_clients; idle > 0)
    fmt::print("            {} of {} idle{}, as {} in a round\n", idle, counted(r.workers, "worker"), idle == 1 ? "s" : "",
               r.training_clients == 1 ? "1 client trains" : fmt::format("{} clients train", r.training_clients));
  if (const int busy = std::min(r.workers, r.training_clients); r.cores > 0 && busy * r.threads > r.cores)
    fmt::print("            {} with clients, of {} each, share {}\n", counted(busy, "worker"), counted(r.threads, "thread"),
               counted(r.cores, "core"));
}

void print_dry_run(const DryRun& r) {
  fmt::print("recipe      {}\n", r.recipe);
  fmt::print("{:<11} {}, {} parameters ({})\n", r.own ? "objective" : "model", r.subject, r.parameters,
             human_bytes(4.0 * static_cast<double>(r.parameters)));
  const std::string data = r.own ? "its own" : r.data;
  fmt::print("data        {}, {} training {}{}\n", data, r.training, r.unit, r.missing.empty() ? " an epoch" : "");
  for (const std::string& note : r.notes) fmt::print("            {}\n", note);
  if (!r.missing.empty()) print_missing(find_dataset(r.data), r.missing);
  fmt::print("method      {}, {} clients, I = {}\n", r.method, r.clients,
             r.measured ? fmt::format("auto, {} … {}", r.interval, r.longest) : std::to_string(r.interval));
  fmt::print("{}", setting_text(r.setting));
  fmt::print("a round     {:g} vectors a client, {}\n", r.vectors, human_bytes(r.bytes));
  fmt::print("time        {:.3g} s a local step here{}, about {:.3g} s a round on {} worker{}\n", r.cost.seconds,
             r.guessed_from > 0 ? " (extrapolated from smaller batches)" : "", r.round_seconds, r.workers,
             r.workers == 1 ? "" : "s");
  print_surplus(r);
  if (r.measured)
    fmt::print("            with the first I, {}; about {:.3g} s with I = {}. The run's own times decide between them\n",
               r.interval, r.longest_seconds, r.longest);
  if (r.guessed_from > 0)
    fmt::print("memory      more than the {} of a step with data.batch_size = {}; this machine has {}\n",
               human_bytes(r.cost.bytes), r.guessed_from, human_bytes(this_memory().total));
  else
    fmt::print("memory      {} of a worker during a step\n", human_bytes(r.cost.bytes));
}

// Returns the same facts under stable keys (docs/reference/commands.md).
nlohmann::json json_of(const DryRun& r) {
  nlohmann::json j = {{"recipe", r.recipe},
                      {r.own ? "objective" : "model", r.subject},
                      {"parameters", r.parameters},
                      {"training_samples", r.training},
                      {"unit", r.unit},
                      {"notes", r.notes},
                      {"data_found", r.missing.empty()},
                      {"algorithm", r.method},
                      {"clients", r.clients},
                      {"workers", r.workers},
                      {"interval", r.interval},
                      {"vectors_per_round", r.vectors},
                      {"client_bytes_per_round", r.bytes},
                      {"step_seconds", r.cost.seconds},
                      {"round_seconds", r.round_seconds},
                      {"extrapolated", r.guessed_from > 0},
                      {"memory_bytes", r.cost.bytes}};
  if (r.measured) j["interval_auto"] = {{"first", r.interval}, {"largest", r.longest}, {"round_seconds", r.longest_seconds}};
  j.update(setting_json(r.setting));
  if (!r.own) j["data"] = r.data;
  if (!r.missing.empty()) j["data_missing"] = r.missing;
  if (r.guessed_from > 0) j["measured_batch_size"] = r.guessed_from;
  return j;
}

bool deals_to_present(const Recipe& recipe) {
  return recipe.data.has("partition.every_round") && recipe.data.flag("partition.every_round");
}

// Returns the first and the largest I where the run's own times decide: those of the recipe, or of an earlier run.
std::pair<int, int> measured_bounds(const IntervalOptions& interval) {
  if (!interval.file) return {static_cast<int>(interval.least), static_cast<int>(interval.most)};
  const IntervalRecord record = read_interval_record(*interval.file);
  int64_t most = record.first;
  for (const IntervalDecision& d : record.decisions) most = std::max(most, d.interval);
  return {static_cast<int>(record.first), static_cast<int>(most)};
}

// Returns the most local steps of a client in the first round. Where a stand-in took the data's place, or none was made,
// those of a client with the mean share.
int steps_a_round(const Recipe& recipe, Objective* objective, const DryRun& r, const std::vector<int>& present) {
  const Values& algorithm = recipe.algorithm;
  if (!algorithm.has("local_epochs")) return static_cast<int>(interval_options(algorithm).fixed.value_or(1));
  const int64_t E = algorithm.integer("local_epochs");
  int64_t most = 1;
  if (r.missing.empty() && objective)
    for (const int client : present) most = std::max(most, objective->client_pass(client, 0).steps(E));
  else
    most = ClientPass{r.training / static_cast<int64_t>(deals_to_present(recipe) ? present.size() : r.clients),
                      recipe.data.integer("batch_size")}
               .steps(E);
  return static_cast<int>(most);
}

// Builds and measures everything. `cores` is 0 where workers have machines of their own.
DryRun examine(const Recipe& recipe, int workers, int cores) {
  DryRun r;
  r.recipe = recipe.source;
  r.workers = workers;
  r.clients = clients_of(recipe, workers);
  r.setting = with_clients(recipe, workers);
  const AlgorithmInfo& method = find_algorithm(recipe.algorithm.text("name"));
  r.method = method.name;
  r.own = recipe.objective.has("name");
  r.subject = (r.own ? recipe.objective : recipe.model).text("name");
  if (!r.own) r.data = recipe.data.text("name");
  const auto seed = static_cast<uint64_t>(recipe.run.integer("seed"));
  std::vector<int> present = sample_clients(client_sampling(recipe.clients, r.clients), seed, 0);
  if (present.empty()) present = {0};  // of clients drawn by themselves, whose first round has nobody
  r.training_clients = method.keeps_models ? r.clients : static_cast<int>(present.size());
  r.threads = static_cast<int>(recipe.run.integer("threads"));
  r.cores = cores;
  const int at_once = cores == 0 ? workers : std::min(workers, std::max(1, cores / r.threads));
  const int turns = (r.training_clients + at_once - 1) / at_once;  // clients that compute one after the other

  StandIn stand_in(recipe, r.clients);
  const auto known = r.own ? std::nullopt : known_size(recipe.data);
  const auto guess = known ? extrapolated(recipe, stand_in, present.front()) : std::nullopt;
  std::unique_ptr<Objective> objective;
  try {
    objective = make_objective(recipe, r.clients);
    r.training = objective->training_samples();
    r.notes = objective->notes();
  } catch (const DataMissing& error) {
    if (!known) throw;
    r.missing = error.what();
    r.training = known->training;
    r.unit = known->unit;
    if (!guess) objective = stand_in.objective(recipe.data.integer("batch_size"));
  }

  if (objective) require_fit(r.setting, *objective);
  r.interval = r.longest = steps_a_round(recipe, objective.get(), r, present);
  if (const IntervalOptions interval = interval_options(recipe.algorithm); !interval.fixed) {
    r.measured = true;
    std::tie(r.interval, r.longest) = measured_bounds(interval);
  }
  const std::vector<Layer>& layers = objective ? objective->layers() : guess->layers;
  r.parameters = parameter_count(layers);
  const double vectors = r.clients > 1 ? method.vectors_of(recipe.algorithm, r.interval) : 0;
  r.vectors = vectors / method.parts_of(recipe.algorithm);
  r.bytes = round_bytes(method, recipe.algorithm, vectors, layers);
  r.cost = guess ? Cost{guess->seconds, guess->bytes} : step_cost(*objective, seed, present.front());
  const auto seconds_of = [&](int I) { return r.cost.seconds * (I + method.resamples(recipe.algorithm, I)) * turns; };
  r.round_seconds = seconds_of(r.interval);
  r.longest_seconds = seconds_of(r.longest);
  if (guess) r.guessed_from = guess->batch;
  return r;
}

}  // namespace

int dry_run(const Recipe& recipe, int workers, bool on_this_machine, bool json) {
  const int cores = on_this_machine ? available_cores() : 0;
  set_threads(static_cast<int>(recipe.run.integer("threads")));
  keep_large_blocks();
  const DryRun found = examine(recipe, workers, cores);
  if (json)
    fmt::print("{}", json_text(json_of(found)));
  else
    print_dry_run(found);
  return 0;
}

}  // namespace tacet
