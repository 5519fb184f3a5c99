// A recipe: everything that determines a run, as plain checked values. Reading it from TOML, with errors that name the line,
// is here too; what the keys mean is said by the tables of methods, models and data sets and by run_options() below.
#pragma once

#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

struct Recipe {
  std::string source;  // the file's path, for messages
  // One per TOML table; nested tables are flattened with dots ("partition.kind"). Every default is filled in.
  Values data, model, algorithm, clients, schedule, run;
};

// The keys of [clients], [schedule] and [run]; the other tables' keys come from the named data set, model and method.
const std::vector<Option>& client_options();
const std::vector<Option>& schedule_options();
const std::vector<Option>& run_options();

// Reads and checks a recipe file. `sets` are overrides "table.key=value" (value in TOML; a bare word is taken as text),
// applied before checking. A top-level `extends = "other.toml"` (path relative to the file) supplies what this file does not
// give. Throws UserError with `file:line: table.key …`, what is allowed and what was given.
Recipe load_recipe(const std::string& path, const std::vector<std::string>& sets = {});
// The same from text; `source` names it in messages, and `extends` is resolved relative to it.
Recipe parse_recipe(const std::string& toml, const std::string& source, const std::vector<std::string>& sets = {});

// The resolved recipe: parsing the result again gives an equal recipe.
std::string to_toml(const Recipe& recipe);

}  // namespace tacet
