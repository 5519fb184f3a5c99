// Recipes for the tests of options' rules: every option that says when it is used, with values that make it so or not.
#pragma once

#include <string>
#include <vector>

#include "recipe/fixture.h"
#include "recipe/tables.h"

namespace tacet {

// An option within its table, and the entry that has it.
struct Place {
  std::string table, entry;
  const Option* option;
};

// Lets GoogleTest show it.
inline void PrintTo(const Place& p, std::ostream* out) { *out << p.table << "." << p.entry << "." << p.option->name; }

inline bool has_condition(const Option& o) { return !o.only_with.empty() || !o.only_with_one_of.empty(); }

// Returns all options of all entries, or of the tables with fixed keys.
inline std::vector<Place> all_options() {
  std::vector<Place> out;
  for (const RecipeTable& table : tables()) {
    std::vector<Named> entries = table.entries;
    if (table.fixed) entries.push_back({"", table.fixed});
    for (const Named& entry : entries)
      for (const Option& option : *entry.options) out.push_back({table.name, entry.name, &option});
  }
  return out;
}

// Returns a value that the option may have and that is not `old`.
inline Value other_value(const Option& o, const std::optional<Value>& old) {
  const auto fits = [&](const Value& v) { return v != old && !complaint(o, v); };
  std::vector<Value> candidates;
  for (const std::string& word : o.one_of) candidates.emplace_back(word);
  for (const bool flag : {false, true}) candidates.emplace_back(flag);
  for (const double v : {1.0, 2.0, 3.0, 0.5, 0.25, 100.0, 0.0, 4096.0, 8192.0}) {
    candidates.emplace_back(v);
    candidates.emplace_back(static_cast<int64_t>(v));
    candidates.emplace_back(Numbers{v});
  }
  for (const char* word : {"x", "y"}) candidates.emplace_back(std::string(word));
  for (const Value& v : candidates)
    if (fits(v)) return v;
  throw std::logic_error("no other value for " + o.name);
}

inline Values& values_of(Recipe& r, const std::string& table) {
  for (const RecipeTable& t : tables())
    if (t.name == table) return r.*t.values;
  throw std::logic_error("no table " + table);
}

inline std::string task_of(const std::string& table, const std::string& entry) {
  return table == "data" ? find_dataset(entry).task : table == "model" ? find_model(entry).task : "function";
}

// Returns a recipe with the entry of the place, and with every key that must be given.
inline Recipe recipe_with(const Place& place) {
  Recipe r;
  const std::string task = task_of(place.table, place.entry);
  for (const auto& row : datasets())
    if (row.task == task && !r.data.has("name")) r.data.set("name", row.name);
  for (const auto& row : models())
    if (row.task == task && !r.model.has("name")) r.model.set("name", row.name);
  r.algorithm.set("name", std::string("celgc"));
  r.schedule.set("rounds", int64_t{9});
  r.schedule.set("epochs", 9.0);
  if (!place.entry.empty()) values_of(r, place.table).set("name", place.entry);
  for (const RecipeTable& table : tables())
    if (const auto* options = options_of(table, r))
      for (const Option& o : *options)
        if (o.required && !o.fallback && !(r.*table.values).has(o.name)) (r.*table.values).set(o.name, other_value(o, {}));
  return r;
}

// Gives another key such a value that the condition holds, or that it does not.
inline void make(bool hold, const OnlyWith& condition, const std::string& table, Recipe& r) {
  const View view = view_of(r);
  std::string home = table, key = condition.key;
  if (!view.option(table, key) && key.find('.') != std::string::npos)
    home = key.substr(0, key.find('.')), key = key.substr(key.find('.') + 1);
  const Option* other = view.option(home, key);
  if (!other) throw std::logic_error(table + " has a rule about " + condition.key + ", which is no key");
  Values& values = values_of(r, home);
  if (hold) {
    values.set(key, condition.values.empty() ? other_value(*other, other->fallback) : condition.values.front());
  } else if (condition.values.empty()) {
    Values others;
    for (const auto& [name, value] : values.all())
      if (name != key) others.set(name, value);
    values = others;
  } else {
    for (const std::string& word : other->one_of)
      if (std::find(condition.values.begin(), condition.values.end(), Value(word)) == condition.values.end())
        return values.set(key, word);
    values.set(key, other_value(*other, condition.values.front()));
  }
}

// Makes the option used.
inline void make_used(const Option& o, const std::string& table, Recipe& r) {
  for (const OnlyWith& condition : o.only_with) make(true, condition, table, r);
  if (!o.only_with_one_of.empty()) make(true, o.only_with_one_of.front(), table, r);
}

// Returns the recipe as TOML with every value that it has, used or not.
inline std::string every_value(const Recipe& r) {
  std::string out;
  for (const RecipeTable& table : tables()) {
    if ((r.*table.values).all().empty()) continue;
    out += "[" + table.name + "]\n";
    for (const auto& [key, value] : (r.*table.values).all()) out += key + " = " + to_toml(value) + "\n";
  }
  return out;
}

}  // namespace tacet
