// `tacet probe`: trains a recipe for a while and measures along the way what the theorems assume: relaxed smoothness, noise,
// heterogeneity. It writes a folder with probe.json, which `tacet plan` reads, and tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/noise_probe.h"
#include "analysis/smoothness.h"

namespace CLI {
class App;
}

namespace tacet {

struct ProbeArguments {
  std::string recipe;  // or a run's folder
  std::string out;
  std::vector<std::string> sets;
  double seconds = 60;    // budget of all measuring and training together
  int64_t points = 40;    // pairs of models
  int64_t every = 1;      // rounds from one pair to the next
  int64_t units = 4;      // of the training set, that both ends of a pair see
  int64_t samples = 100;  // mini-batch gradients of the noise
  bool json = false, quiet = false;
};

// Findings of a probe. Parts that could not be measured say why.
struct ProbeResult {
  std::string recipe, model;
  int64_t parameters = 0, clients = 1;
  std::vector<std::string> layers;
  double seconds = 0, smoothness_seconds = 0;  // all together; of that, measuring pairs
  std::optional<double> clip_threshold;        // γ/η of the recipe, where it clips

  std::vector<int64_t> units;
  std::vector<SmoothnessPoint> points;
  std::string no_points;       // why there are none
  bool loss_has_floor = true;  // losses are ≥ 0, so a loss bounds Δ

  std::optional<NoiseFigures> noise;
  std::optional<Heterogeneity> heterogeneity;
  std::string no_heterogeneity;
};

// Adds the options to the subcommand.
void declare(CLI::App& command, ProbeArguments& arguments);

// Returns probe.json, with `seed` for the draws of its tests and intervals.
std::string probe_json(const ProbeResult& result, uint64_t seed);
// Writes the tables smoothness.csv, layers.csv, noise.csv and clients.csv into the folder, those that have rows.
void write_probe_tables(const ProbeResult& result, const std::string& folder);
// Returns what probe.json says, for people, in lines of at most `width` columns.
std::string probe_text(const std::string& json, int width);

// Runs the probe. Returns the exit code. Throws UserError.
int cmd_probe(const ProbeArguments& arguments);

}  // namespace tacet
