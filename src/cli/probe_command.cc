// See probe_command.h. The files are written by probe_files.cc.
#include "cli/probe_command.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "analysis/drawn_gradients.h"
#include "base/files.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "cli/arguments.h"
#include "cli/model_file.h"
#include "cli/output.h"
#include "cli/probe_run.h"
#include "data/record/data_record.h"
#include "engine/client_sampling.h"
#include "tacet/error.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"
#include "tacet/task.h"
#include "tacet/train.h"
#include "tasks/fresh_batches.h"
#include "train/process.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

constexpr double noise_share = 0.2, curvature_share = 0.15;  // of the budget; the run has had half, clients get the rest

// Makes the run's own model the start, so that the file from which the run started may be gone, and another one is refused.
void start_from_the_run(const ProbeArguments& a, Recipe& recipe) {
  for (const std::string& set : a.sets) {
    std::string key = set.substr(0, set.find('='));
    key.erase(key.find_last_not_of(' ') + 1);
    if (key == "model.init")
      throw UserError("--set model.init must be left out with a run's folder, whose own model is probed, got " +
                      visible(set));
  }
  recipe.model.erase("init");
}

ProbeSource source_of(const ProbeArguments& a) {
  ProbeSource source;
  std::error_code error;
  if (!fs::exists(a.recipe, error))
    throw UserError(visible(a.recipe) + ": there is no such recipe or run folder" + (error ? ": " + error.message() : ""));
  if (fs::is_directory(a.recipe, error)) source.run = a.recipe;
  const fs::path run(a.recipe);
  if (!source.run.empty() && !fs::exists(run / "model.safetensors", error))
    throw UserError(visible(a.recipe) + ": has no model.safetensors, so it is no run that has ended");
  source.recipe = with_clients(load_recipe(source.run.empty() ? a.recipe : (run / "recipe.toml").string(), a.sets), 1);
  if (!source.run.empty() && fs::exists(run / "data.json", error)) source.recipe.data_record = (run / "data.json").string();
  if (!source.run.empty()) start_from_the_run(a, source.recipe);
  // A probe looks at no evaluation set, and measures gradients itself.
  if (source.recipe.run.has("eval_train")) source.recipe.run.set("eval_train", false);
  if (source.recipe.run.has("gradient_every")) source.recipe.run.set("gradient_every", 0.0);
  // Nothing is kept, so there is no folder for clients' vectors.
  if (source.recipe.run.has("client_state")) source.recipe.run.set("client_state", std::string("memory"));
  return source;
}

bool is_function(const Recipe& recipe) {
  return recipe.data.has("name") && find_dataset(recipe.data.text("name")).task == "function";
}

// Sets the norm from which whole gradients are clipped, or why there is none.
void set_clip_threshold(const Values& algorithm, ProbeResult& r) {
  const auto on = [&](const char* key) { return algorithm.has(key) && algorithm.flag(key); };
  if (!algorithm.has("gamma") || !std::isfinite(algorithm.number("gamma")) || !(algorithm.number("eta") > 0))
    r.no_clip_threshold = "the recipe does not clip";
  else if (on("per_layer"))
    r.no_clip_threshold = "the recipe clips by layer, and Lemma 1 is about whole gradients";
  else if (on("per_coordinate"))
    r.no_clip_threshold = "the recipe clips by coordinate, and Lemma 1 is about whole gradients";
  else
    r.clip_threshold = algorithm.number("gamma") / algorithm.number("eta");
}

ProbeResult begin(const ProbeSource& source, const ProbeArguments& a, const Objective& objective) {
  const Recipe& recipe = source.recipe;
  ProbeResult r;
  r.recipe = a.recipe;
  r.model = recipe.model.has("name") ? recipe.model.text("name") : "";
  r.clients = recipe.clients.integer("count");
  for (const Layer& l : objective.layers()) {
    r.layers.push_back(l.name);
    r.layer_sizes.push_back(l.size);
    r.parameters += l.size;
  }
  r.loss_has_floor = !is_function(recipe);
  set_clip_threshold(recipe.algorithm, r);
  return r;
}

void measure_clients(const ProbeSource& source, Objective& objective, const Vec& x, ProbeLine& line, ProbeResult& r) {
  HeterogeneityOptions o;
  o.clients = std::min(r.clients, kProbedClients);
  o.seed = source.seed();
  if (r.clients < 2) {
    r.no_heterogeneity = "there is one client only";
    return;
  }
  r.no_heterogeneity = no_own_data(source.recipe);
  if (!r.no_heterogeneity.empty()) return;
  const double each = 4 * static_cast<double>(o.clients) * r.noise->step_seconds;
  o.batches = static_cast<int64_t>(std::clamp(std::floor(line.left(1) / each), 0.0, 4.0));
  if (o.batches < 1) {
    r.no_heterogeneity =
        fmt::format("four gradients of {} clients take {:.0f} s, and {:.0f} s are left: give more --seconds", o.clients,
                    std::ceil(each), std::max(0.0, line.left(1)));
    return;
  }
  line.draw(fmt::format("{} clients, {} gradients each", o.clients, 4 * o.batches));
  r.heterogeneity = measure_heterogeneity(objective, x, o);
}

// Takes one deal for all of the noise, and a client that has a share in it.
void stay_in_one_deal(const ProbeSource& source, NoiseOptions& o) {
  const auto clients = static_cast<int>(source.recipe.clients.integer("count"));
  o.round = kFarRound;
  // Sampling that may leave a round without clients does not go with such deals.
  o.client = sample_clients(client_sampling(source.recipe.clients, clients), o.seed, *o.round).front();
}

void measure_gradients(const ProbeSource& source, const ProbeArguments& a, Objective& objective, const Vec& x,
                       ProbeLine& line, ProbeResult& r) {
  NoiseOptions o;
  o.samples = o.reference = o.principal = a.samples;
  o.seed = source.seed();
  if (!no_own_data(source.recipe).empty()) stay_in_one_deal(source, o);
  const double start = line.seconds();
  int64_t drawn = 0;
  o.time_left = [&, start](double share) {
    line.draw(fmt::format("noise  {} of {} gradients", ++drawn, 3 * a.samples));
    return line.seconds() < start + share * noise_share * a.seconds;
  };
  r.noise = measure_noise(objective, x, o);
}

// Returns the reason why no curvature can be measured in so many seconds, or nothing. A pair of models takes the units'
// gradients five times, and so do the least products: two for each of them, and once the gradient.
std::string no_curvature(const ProbeArguments& a, const ProbeResult& r, double may) {
  if (a.products == 0) return "--products is 0";
  if (r.units.empty()) return r.no_points;
  if (r.points.empty()) return "no pair of models was measured in the time that the run may have: give more --seconds";
  const double least = r.smoothness_seconds / static_cast<double>(r.points.size());
  if (least <= may) return "";
  return fmt::format("the first products take {:.1f} s, and {:.1f} s may be spent: give more --seconds or fewer --units",
                     least, may);
}

void measure_hessian(const ProbeSource& source, const ProbeArguments& a, Objective& objective, const Vec& x, ProbeLine& line,
                     ProbeResult& r) {
  r.no_curvature = no_curvature(a, r, curvature_share * a.seconds);
  if (!r.no_curvature.empty()) return;
  const double product = 0.4 * r.smoothness_seconds / static_cast<double>(r.points.size());
  const double before = line.seconds(), until = before + curvature_share * a.seconds;
  CurvatureOptions o;
  o.units = {r.units.begin(), r.units.end()};
  o.products = a.products;
  o.seed = source.seed();
  int64_t made = 0;
  o.time_left = [&, until, product] {
    line.draw(fmt::format("curvature  {} of {} products", made++, a.products));
    return line.seconds() + product < until;
  };
  try {
    r.curvature = measure_curvature(objective, x, o);
  } catch (const UserError& error) {
    r.no_curvature = error.what();
  }
  r.curvature_seconds = line.seconds() - before;
}

std::string out_of(const ProbeArguments& a) {
  if (!a.out.empty()) return a.out;
  const fs::path path = fs::path(a.recipe).lexically_normal();
  const std::string name = (path.has_filename() ? path : path.parent_path()).stem().string();
  return (fs::path("probes") / name).string();
}

}  // namespace

void declare(CLI::App& command, ProbeArguments& a) {
  command.add_option("recipe", a.recipe, "recipe file (TOML), or a run's folder: its model is the start")
      ->required()
      ->option_text("RECIPE|RUN");
  command.add_option("--out", a.out, "folder of the files; must be new or empty (default: probes/<recipe>)")
      ->option_text("DIR");
  declare_sets(command, a.sets, "override a key of the recipe; may be repeated");
  command.add_option("--seconds", a.seconds, "time that all takes together (default: 150)")->option_text("S");
  command.add_option("--points", a.points, "pairs of models to measure (default: 40)")
      ->check([](const std::string& text) { return outside(text, 1, 1000000); })
      ->option_text("N");
  command.add_option("--every", a.every, "rounds from one pair to the next (default: 1)")
      ->check([](const std::string& text) { return outside(text, 1, 1000000000); })
      ->option_text("N");
  command.add_option("--units", a.units, "evaluation batches of the training set at each end of a pair (default: 1)")
      ->check([](const std::string& text) { return outside(text, 1, 1000000); })
      ->option_text("N");
  command
      .add_option("--samples", a.samples,
                  "mini-batch gradients whose noise is looked at, and as many for their mean "
                  "(default: 100)")
      ->check([](const std::string& text) { return outside(text, 2, 10000000); })
      ->option_text("N");
  command.add_option("--rounds", a.rounds, "rounds along the run whose clients are looked at (default: 10; 0: none)")
      ->check([](const std::string& text) { return outside(text, 0, 1000000); })
      ->option_text("N");
  command
      .add_option("--products", a.products,
                  "products of the Hessian with a vector: up to half for its largest eigenvalue, the rest for its trace "
                  "(default: 40; 0: none)")
      ->check([](const std::string& text) { return outside(text, 0, 1000000); })
      ->option_text("N");
  command.add_flag("--quiet", a.quiet, "no progress on the terminal");
  declare_json(command, a.json);
}

int cmd_probe(const ProbeArguments& a) {
  if (!(a.seconds >= 1 && a.seconds <= 1e7))
    throw UserError(fmt::format("--seconds: must be from 1 to 1e7, got {:g}", a.seconds));
  const std::string out = out_of(a);
  check_run_folder(out, false);
  const ProbeSource source = source_of(a);
  ProbeLine line(a.quiet, a.seconds);
  set_threads(static_cast<int>(source.recipe.run.integer("threads")));
  const auto objective = make_objective(source.recipe, static_cast<int>(source.recipe.clients.integer("count")));
  for (const std::string& note : objective->notes()) to_stderr("tacet: warning: {}\n", visible(note));
  // The model of a run. A recipe's begins in training alone, as another copy of it would stay beside.
  Vec start;
  if (!source.run.empty()) start = load_model(*objective, (fs::path(source.run) / "model.safetensors").string(), source.run);
  ProbeResult result = begin(source, a, *objective);
  auto* text = dynamic_cast<FreshBatches*>(objective.get());
  result.starts_afresh = text && text->start_batches_afresh();
  const Vec x = follow_run(source, a, *objective, std::move(start), line, result);
  measure_gradients(source, a, *objective, x, line, result);
  measure_hessian(source, a, *objective, x, line, result);
  measure_clients(source, *objective, x, line, result);
  result.seconds = line.seconds();
  fs::create_directories(out);
  write_probe_tables(result, out);
  for (const std::string& reason : write_probe_pictures(result, source.seed(), out))
    to_stderr("tacet: {}\n", visible(reason));
  const std::string json = probe_json(result, source.seed());
  write_atomically((fs::path(out) / "probe.json").string(), json);
  const int width = std::clamp(terminal_width(STDOUT_FILENO), 40, 110);
  std::fputs(a.json ? json.c_str() : (probe_text(json, width) + "folder " + visible(out) + "\n").c_str(), stdout);
  return 0;
}

}  // namespace tacet
