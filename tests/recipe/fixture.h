// What the recipe tests share: a recipe that is right, ways to make it wrong, and folders with recipe files.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "support/error_of.h"
#include "support/temp_folder.h"
#include "tacet/algorithm.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"

namespace tacet {

// Line numbers matter: eta is on line 11, gamma on line 12.
inline const std::string good_recipe = R"([data]
name = "sotu"
batch_size = 3

[model]
name = "awd-lstm"
layers = 2

[algorithm]
name = "celgc"
eta = 30
gamma = 7.5

[clients]
count = 8

[schedule]
epochs = 2
)";

// good_recipe with one piece of text changed.
inline std::string with(const std::string& from, const std::string& to) {
  std::string text = good_recipe;
  const size_t at = text.find(from);
  if (at == std::string::npos) throw std::logic_error("the good recipe has no " + from);
  return text.replace(at, from.size(), to);
}

// Returns what parsing says, or "" when it succeeds.
inline std::string parse_error(const std::string& toml, const std::vector<std::string>& sets = {}) {
  return test::error_of([&] { (void)parse_recipe(toml, "r.toml", sets); });
}

// "celgc, naive-clip, …": how messages list the rows of a table, and the keys of one row.
template <class Rows>
std::string names_of(const Rows& rows) {
  std::string out;
  for (const auto& row : rows) out += (out.empty() ? "" : ", ") + row.name;
  return out;
}
template <class Rows>
std::string keys_of(const Rows& rows, const std::string& name) {
  for (const auto& row : rows)
    if (row.name == name) return "name, " + names_of(row.options);
  throw std::logic_error("no row " + name);
}

inline bool same(const Recipe& a, const Recipe& b) {
  return a.data.all() == b.data.all() && a.model.all() == b.model.all() && a.objective.all() == b.objective.all() &&
         a.algorithm.all() == b.algorithm.all() && a.clients.all() == b.clients.all() &&
         a.schedule.all() == b.schedule.all() && a.run.all() == b.run.all();
}

struct RecipeFolder : test::TempFolder {
  // Returns the error of loading a file of the folder, with the folder's own path left out.
  std::string load_error(const std::string& name, const std::vector<std::string>& sets = {}) const {
    std::string text = test::error_of([&] { (void)load_recipe(*this / name, sets); });
    const std::string prefix = path() + "/";
    for (size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) text.erase(at, prefix.size());
    return text;
  }
};

}  // namespace tacet
