// TOML as it was written: what each file of an `extends` chain and the --set arguments give, and where. Nothing is known
// here of which keys there are or what they may hold; that is recipe.cc. Only recipe_file.cc sees the TOML library.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

// One value as given. Lists that hold anything but numbers, dates and tables can't be a Value: then `other` says what it is.
struct Given {
  std::optional<Value> value;
  std::string other;  // "a date", "a table", "the list …": what to say after "got"
  std::string at;     // how a complaint begins: `recipe.toml:7: algorithm.gamma` or `--set algorithm.gamma:`
  int line = 0;       // in its file; the number of the argument for --set
};

std::string describe_given(const Given& given);  // what to say after "got"

struct GivenTable {
  int line = 0;
  std::map<std::string, Given> keys;  // nested tables flattened with dots: "partition.kind"
};

// One thing wrong with the input. `layer` and `line` only sort the complaints.
struct Complaint {
  size_t layer = 0;
  int line = 0;
  std::string text;
};

// What one file, or all --set arguments together, give.
struct RecipeLayer {
  std::string file;  // as shown in messages; empty for --set
  std::map<std::string, GivenTable> tables;
  std::map<std::string, Given> strays;  // top-level keys that are not tables, `extends` apart
};

struct RecipeLayers {
  std::vector<RecipeLayer> layers;  // the strongest first: --set, the recipe, what it extends, what that extends, …
  std::vector<Complaint> complaints;
};

// Throws UserError when a file can't be read or is not TOML. Complaints about single keys and arguments are collected.
RecipeLayers read_layers(const std::string& toml, const std::string& source, const std::vector<std::string>& sets);

// The bytes of a recipe file. `place` begins the message of the UserError that is thrown when there is no such file.
std::string read_recipe_file(const std::string& path, const std::string& place);

// A key as TOML would write it: bare where possible, else quoted; long ones are cut. For messages.
std::string show_key(const std::string& key);

}  // namespace tacet
