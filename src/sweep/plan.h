// The points of a sweep: a pure function of a recipe, its axes and its seeds. Nothing is run or written here.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tacet/recipe.h"

namespace tacet {

// A user's wish. Empty texts and lists leave a thing to the recipe's [sweep].
struct SweepRequest {
  std::string recipe;                    // its path
  std::vector<std::string> sets, grids;  // "table.key=value", "table.key=a,b,c"
  std::string seeds;                     // "1..3" or "1,2,7"
  std::string best;                      // the figure that decides
  std::optional<int64_t> random_seed;    // draws random values, of `grids` and of the recipe's [sweep]
  int workers = 1;                       // processes of each run
  bool of_figure = false;                // that its grids replace the recipe's own goes without saying
};

// A key of a recipe with its value in TOML.
struct Setting {
  std::string key, value;
  bool operator==(const Setting&) const = default;
};

// One run of a sweep.
struct Point {
  std::vector<Setting> settings;  // one for each axis that the run has
  int64_t seed = 1;
  std::string digest;                             // the mark of its content, 12 hexadecimal digits
  std::string name;                               // its folder's: readable values, then the digest
  std::string recipe;                             // the resolved recipe
  double epochs = 0, rounds = 0, iterations = 0;  // ends of its schedule; 0: none
  int threads = 1;

  // Returns its settings without the seed, "algorithm.eta=0.5 algorithm.gamma=1": points that have it in common are repeated
  // runs of one thing.
  std::string group() const;
};

struct SweepPlan {
  std::string recipe;                       // the path that was given
  std::string best;                         // the figure that decides
  std::vector<std::string> axes;            // their keys
  std::vector<Point> points;                // each run once
  std::map<std::string, std::string> base;  // the recipe's values by key, without defaults and machines' own
  std::vector<std::string> notes;           // lines for the user
};

// Returns the plan. The first axis varies slowest, the seed fastest. Throws UserError for a grid or recipe that is wrong; a
// point that is no run is named.
SweepPlan plan_sweep(const SweepRequest& request);

// Throws UserError that names the key where one of these sets changes nothing: all points of the request's plan have values
// of its key. A set may stay where the recipe can't be read without it, as a method must have its keys. plan_sweep() calls
// this with all sets of a request that is of no figure.
void require_sets_used(const SweepRequest& request, const SweepPlan& plan, std::span<const std::string> sets);

// Returns the values that a run uses by key, without those that machines may have their own of.
std::map<std::string, std::string> shared_values(const Recipe& recipe);

// Returns the point of a recipe with these settings. `name` begins the name of its folder.
Point point_of(const Recipe& recipe, int workers, std::vector<Setting> settings, const std::string& name);

}  // namespace tacet
