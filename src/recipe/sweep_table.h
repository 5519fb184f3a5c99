// The [sweep] table of a recipe: which keys `tacet sweep` varies, with which values, seeds and figure of merit. The points
// that follow from it are made in src/sweep.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "recipe/recipe_file.h"
#include "tacet/recipe.h"

namespace tacet {

// One axis: a key and the values that it gets.
struct SweepAxis {
  std::string key;            // "algorithm.eta"
  std::string method;         // the only method whose runs have the axis; empty: all have it
  std::vector<Value> values;  // each once, in the order given
  bool random = false;        // drawn; the random axes of a sweep vary together
};

struct SweepTable {
  std::vector<SweepAxis> axes;
  std::vector<int64_t> seeds;       // values of run.seed; empty: the recipe's own
  std::string best = "train_loss";  // the figure that decides which values are best
  int64_t random_seed = 0;          // draws the values of random axes
};

struct SweptRecipe {
  Recipe recipe;
  SweepTable sweep;
};

// Reads and checks a recipe file as load_recipe() does, and returns its [sweep] too, of which a run has no use.
SweptRecipe load_swept_recipe(const std::string& path, const std::vector<std::string>& sets = {});

// A key of the table as given: "best", "algorithm.eta", "naive-clip.algorithm.gamma".
struct SweepEntry {
  std::string key;
  Given given;
};
using SweepComplaint = std::function<void(const SweepEntry&, const std::string& text)>;

// Returns the table that these entries give, its axes in the order of their lines. `recipe` tells the entries of its tables.
// Each mistake is told to `complain`.
SweepTable read_sweep_table(std::vector<SweepEntry> entries, const Recipe& recipe, const SweepComplaint& complain);

// Returns the [sweep] table of a recipe's layers, of the strongest layer's value of every key. Adds to their complaints.
SweepTable read_sweep(RecipeLayers& layers, const Recipe& recipe);

// Returns the axes of --grid arguments ("algorithm.eta=0.1,1" or "algorithm.eta=1e-3..1:log:4"). `random_seed` draws random
// values. Throws UserError.
std::vector<SweepAxis> axes_of_grids(const Recipe& recipe, const std::vector<std::string>& grids, int64_t random_seed);

// Returns the seeds of a text: "1..3" or "1,2,7". Throws UserError that begins with `what`.
std::vector<int64_t> seeds_of(const std::string& text, const std::string& what = "--seeds");

// Returns the figures that can decide a sweep, those of summary.json.
const std::vector<std::string>& sweep_figures();
// Throws UserError for a text that is no such figure, nor one of them behind "best.". `at` is the begin of the message.
void check_sweep_figure(const std::string& figure, const std::string& at);

}  // namespace tacet
