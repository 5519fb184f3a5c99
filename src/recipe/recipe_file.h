// TOML as it was written: the values of each file of an `extends` chain and of the --set arguments, with their places. The
// allowed keys and values are known in recipe.cc only. Only recipe_file.cc sees the TOML library.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

// One value as given. Dates, tables and lists that hold anything but numbers can't be a Value, and are described in `other`.
struct Given {
  std::optional<Value> value;
  std::string other;  // text behind "got": "a date", "a table", "the list …"
  // The elements of a list as they were written, integers as integers; empty where one of them can't be a Value.
  std::vector<Value> list = {};
  std::string at;  // begin of a complaint: `recipe.toml:7: algorithm.gamma` or `--set algorithm.gamma:`
  int line = 0;    // in its file; the number of the argument for --set
};

// Returns the values of "a,b,c" as a list, each in TOML or a single word. A single word with ".." in it, a range, is a text.
// `at` is the begin of complaints. Throws UserError.
Given given_list(const std::string& text, const std::string& at);

std::string describe_given(const Given& given);  // returns the text behind "got"

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

// The values of one file, or of all --set arguments together.
struct RecipeLayer {
  std::string file;  // as shown in messages; empty for --set
  std::map<std::string, GivenTable> tables;
  std::map<std::string, Given> strays;  // top-level keys that are not tables, `extends` apart
};

struct RecipeLayers {
  std::vector<RecipeLayer> layers;  // the strongest first: --set, the recipe, what it extends, what that extends, …
  std::vector<Complaint> complaints;
};

// Returns all layers, with the complaints about single keys and arguments. Throws UserError when a file can't be read or is
// not TOML.
RecipeLayers read_layers(const std::string& toml, const std::string& source, const std::vector<std::string>& sets);

// Returns the bytes of a recipe file. Throws UserError, whose message begins with `place`, when there is no such file.
std::string read_recipe_file(const std::string& path, const std::string& place);

// Returns a key for messages as TOML writes it: bare where possible, else quoted. Long keys are cut.
std::string show_key(const std::string& key);

}  // namespace tacet
