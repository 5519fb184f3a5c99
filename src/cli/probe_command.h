// `tacet probe`: trains a recipe for a while and measures along the way what the theorems assume: relaxed smoothness, noise,
// heterogeneity. It writes a folder with probe.json, which `tacet plan` reads, tables and pictures.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/curvature.h"
#include "analysis/heterogeneity.h"
#include "analysis/noise_probe.h"
#include "analysis/rounds_probe.h"
#include "analysis/smoothness.h"

namespace CLI {
class App;
}

namespace tacet {

struct ProbeArguments {
  std::string recipe;  // or a run's folder
  std::string out;
  std::vector<std::string> sets;
  double seconds = 150;   // budget of all measuring and training together
  int64_t points = 40;    // pairs of models
  int64_t every = 1;      // rounds from one pair to the next
  int64_t units = 1;      // of the training set, that both ends of a pair see
  int64_t samples = 100;  // mini-batch gradients of the noise
  int64_t rounds = 10;    // rounds along the run whose clients are looked at
  int64_t products = 40;  // of the Hessian with a vector
  bool json = false, quiet = false;
};

// Findings of a probe. Parts that could not be measured say why.
struct ProbeResult {
  std::string recipe, model;
  int64_t parameters = 0, clients = 1;
  std::vector<std::string> layers;
  std::vector<int64_t> layer_sizes;
  double seconds = 0, smoothness_seconds = 0;  // all together; of that, measuring pairs
  std::optional<double> clip_threshold;        // γ/η of the recipe's base rates, where it clips whole gradients
  std::string no_clip_threshold;               // why there is none

  std::vector<int64_t> units, coordinates;  // of the training set and of x, that pairs are measured on
  bool starts_afresh = false;               // each batch of text starts from the zero state there, as the model carries one
  std::vector<SmoothnessPoint> points;
  std::string no_points;       // why there are none
  bool loss_has_floor = true;  // losses are ≥ 0, so a loss bounds Δ

  std::optional<NoiseFigures> noise;
  std::optional<Heterogeneity> heterogeneity;
  std::string no_heterogeneity;

  std::vector<FollowedRound> rounds;
  std::vector<std::string> no_rounds;  // why clients were not looked at along the run, or corrections not; told once each
  int64_t rounds_measured = 0;
  double rounds_seconds = 0;

  std::optional<Curvature> curvature;
  std::string no_curvature;
  double curvature_seconds = 0;
};

// Adds the options to the subcommand.
void declare(CLI::App& command, ProbeArguments& arguments);

// Returns probe.json, with `seed` for the draws of its tests and intervals.
std::string probe_json(const ProbeResult& result, uint64_t seed);
// Writes the tables into the folder, those that have rows: smoothness.csv, layers.csv, coordinates.csv, noise.csv,
// clients.csv, rounds.csv, client_rounds.csv and curvature.csv.
void write_probe_tables(const ProbeResult& result, const std::string& folder);
// Draws smoothness.svg, layers.svg, coordinates.svg, noise.svg, clients.svg and rounds.svg, each with its numbers in a table
// of that name with .picture.csv. Returns a line for each that there is nothing to draw of.
std::vector<std::string> write_probe_pictures(const ProbeResult& result, uint64_t seed, const std::string& folder);
// Returns what probe.json says, for people, in lines of at most `width` columns.
std::string probe_text(const std::string& json, int width);

// Runs the probe. Returns the exit code. Throws UserError.
int cmd_probe(const ProbeArguments& arguments);

}  // namespace tacet
