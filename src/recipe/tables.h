// A recipe's seven tables: the keys each has, in the order of the documentation, and the rules that say which of them a run
// uses. Reading and complaining is in recipe.cc.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "recipe/used_values.h"
#include "tacet/options.h"
#include "tacet/recipe.h"

namespace tacet {

// A method, model, data set or objective, as far as its keys are concerned.
struct Named {
  std::string name;
  const std::vector<Option>* options;
};

// One of the recipe's tables.
struct RecipeTable {
  std::string name;
  Values Recipe::*values;
  std::string entry;                           // kind of its entries, "method"; empty for tables with fixed keys
  std::vector<Named> entries;                  // to choose from
  const std::vector<Option>* fixed = nullptr;  // the keys of a table with fixed ones
};

std::vector<RecipeTable> tables();

// Returns the keys of an entry of the table, or its fixed keys; null when there is no such entry.
const std::vector<Option>* options_of(const RecipeTable& table, const std::string& entry);
const std::vector<Option>* options_of(const RecipeTable& table, const Recipe& recipe);

// A way to look at values, by table and key. Each function returns null for what is not there.
struct View {
  std::function<const Option*(const std::string& table, const std::string& key)> option;
  std::function<const Value*(const std::string& table, const std::string& key)> value;  // given, or the default
};
View view_of(const Recipe& recipe);

// Returns true if the condition, of an option of `table`, holds. `if_wrong` is the answer where the other key has a value
// that it can't have, which is told anyway.
bool holds(const OnlyWith& condition, const std::string& table, const View& view, bool if_wrong);

// Returns which other key would make the option used (`is used with clients.sampling = "dirichlet" only, which is
// "uniform"`); nothing when it is used.
std::optional<std::string> why_unused(const Option& option, const std::string& table, const View& view);

}  // namespace tacet
