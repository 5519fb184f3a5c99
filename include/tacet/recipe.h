// A recipe: everything that determines a run, as checked values, read from TOML with errors that name the line. The keys and
// their meaning stand in the tables of methods, models, data sets and objectives (tacet/registry.h) and in the three lists
// below.
#pragma once

#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

struct Recipe {
  std::string source;  // file's path, for messages
  // The values of each TOML table, with every default filled in. Nested tables are flattened with dots ("partition.kind").
  // A recipe has either `data` and `model` or `objective`. The others are empty.
  Values data, model, objective, algorithm, clients, schedule, run;

  // Set by `tacet eval`. The objective is then evaluated only: its data go to no clients, and model.init is not read.
  bool evaluation = false;
  // Path of the data.json by which words and classes are numbered in an evaluation; empty: by the data themselves.
  std::string data_record = {};
};

// Return the keys of [clients], [schedule] and [run]. The other tables' keys come from the named data set, model, objective
// and method.
const std::vector<Option>& client_options();
const std::vector<Option>& schedule_options();
const std::vector<Option>& run_options();

// Reads and checks a recipe file. `sets` are overrides "table.key=value" (value in TOML; a bare word is taken as text),
// applied before checking. A top-level `extends = "other.toml"` (path relative to the file) supplies what this file does not
// give. Throws UserError with `file:line: table.key …`, what is allowed and what was given.
Recipe load_recipe(const std::string& path, const std::vector<std::string>& sets = {});
// Reads a recipe from text. `source` names it in messages, and `extends` is resolved relative to it.
Recipe parse_recipe(const std::string& toml, const std::string& source, const std::vector<std::string>& sets = {});

// Returns the resolved recipe as TOML, with every key that the run uses. It parses to an equal run.
std::string to_toml(const Recipe& recipe);

// Returns clients.count, or one client a worker where the recipe does not give it.
int clients_of(const Recipe& recipe, int workers);
// Returns the recipe with clients.count set to clients_of(). Throws UserError when its parts don't go together with so many
// clients.
Recipe with_clients(Recipe recipe, int workers);

}  // namespace tacet
