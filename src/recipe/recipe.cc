// Turns given values into a checked recipe: finds the entry that a table names and the layer whose value is in force, and
// complains about mistakes. TOML itself is read in recipe_file.cc. Rules about several keys are in misfits.cc.
#include "tacet/recipe.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <utility>

#include "base/places.h"
#include "recipe/misfits.h"
#include "recipe/recipe_file.h"
#include "recipe/sweep_table.h"
#include "recipe/tables.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

constexpr size_t most_complaints = 10;
// A recipe that tacet has resolved, such as a run's own, has all of these keys, which every run uses. What it holds beside
// them was in force, or idle without a word, in the version that wrote it, so that a rule that is new does not make it
// unreadable.
constexpr std::array<std::pair<const char*, const char*>, 8> resolved_keys = {{{"clients", "sampling"},
                                                                               {"schedule", "milestones"},
                                                                               {"schedule", "warmup"},
                                                                               {"schedule", "cosine"},
                                                                               {"schedule", "nt_asgd"},
                                                                               {"run", "seed"},
                                                                               {"run", "threads"},
                                                                               {"run", "device"}}};
const Value no_value =
    Numbers{std::numeric_limits<double>::quiet_NaN()};  // stands for a date or a table; no key may have it

// Returns the part of a key that complaints about it compare: "kind" in "partition.kind".
std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Returns a path that is given in a file as an absolute one.
std::string absolute(const std::string& file, const Option& option, const std::string& given) {
  const fs::path path = expand_home(given);
  if (given.empty() || path.is_absolute()) return path.string();
  std::error_code error;
  const fs::path whole = fs::absolute(fs::path(file).parent_path() / path, error);
  if (error || (option.path == Path::searched && !fs::exists(whole, error))) return given;
  // Behind a link, ".." is not the folder before it in the text.
  const bool up = std::find(path.begin(), path.end(), "..") != path.end();
  const fs::path found = up ? fs::weakly_canonical(whole, error) : whole.lexically_normal();
  return (error ? whole : found).string();
}

class Checker {
 public:
  Checker(RecipeLayers input, std::string source) : input_(std::move(input)), source_(std::move(source)) {
    recipe_.source = source_;
  }

  SweptRecipe check() {
    for (const RecipeTable& table : tables_)
      if (concerns_run(table)) choose_entry(table);
    for (size_t k = 0; k < input_.layers.size(); ++k) check_names(k);
    for (const RecipeTable& table : tables_) check_values(table);
    check_together();
    SweepTable sweep = read_sweep(input_, recipe_);
    report();
    return {std::move(recipe_), std::move(sweep)};
  }

 private:
  void complain(size_t layer, int line, std::string text) { input_.complaints.push_back({layer, line, std::move(text)}); }
  void complain(size_t layer, const Given& given, const std::string& text) {
    complain(layer, given.line, given.at + " " + text);
  }

  // Complains where no key of the recipe's own is to blame: at the table, or at the top of the file.
  void complain_about(const std::string& table, const std::string& text) {
    constexpr size_t recipe_file = 1;  // layer 0 is --set
    const auto& given = input_.layers[recipe_file].tables;
    const int line = given.count(table) ? given.at(table).line : 1;
    complain(recipe_file, line, source_ + ":" + std::to_string(line) + ": " + text);
  }

  const GivenTable* given_table(size_t layer, const std::string& table) const {
    const auto found = input_.layers[layer].tables.find(table);
    return found == input_.layers[layer].tables.end() ? nullptr : &found->second;
  }

  const Given* given_in(size_t layer, const std::string& table, const std::string& key) const {
    const GivenTable* keys = given_table(layer, table);
    if (!keys) return nullptr;
    const auto found = keys->keys.find(key);
    return found == keys->keys.end() ? nullptr : &found->second;
  }

  // Returns the entry that a table names when only layers from `first` on are read; empty when none is named.
  std::string entry_at(const RecipeTable& table, size_t first) const {
    for (size_t k = first; k < input_.layers.size(); ++k)
      if (const Given* given = given_in(k, table.name, "name")) {
        const auto* text = given->value ? std::get_if<std::string>(&*given->value) : nullptr;
        return text ? *text : "";
      }
    return "";
  }

  bool is_given(const std::string& table) const {
    for (size_t k = 0; k < input_.layers.size(); ++k)
      if (given_table(k, table)) return true;
    return false;
  }

  // Returns false for the tables of the subject that the run does not have: an objective of the program's own, or a model
  // and its data. Complains where they are given nevertheless.
  bool concerns_run(const RecipeTable& table) {
    if (table.name == "objective") return is_given("objective");
    if (table.name != "data" && table.name != "model") return true;
    if (!is_given("objective")) return subject_is_given(table.name);
    for (size_t k = 0; k < input_.layers.size(); ++k)
      if (const GivenTable* given = given_table(k, table.name)) complain_beside_objective(k, table.name, *given);
    return false;
  }

  // Returns false for a recipe that says nothing of its subject, in a program with objectives of its own, and complains
  // once.
  bool subject_is_given(const std::string& table) {
    if (objectives().empty() || is_given("data") || is_given("model")) return true;
    std::vector<std::string> names;
    for (const ObjectiveInfo& row : objectives()) names.push_back(row.name);
    if (table == "data")
      complain_about("objective",
                     "objective.name must be given (" + join(names) + "), or data.name and model.name, got nothing");
    return false;
  }

  void complain_beside_objective(size_t layer, const std::string& table, const GivenTable& given) {
    const bool set = layer == 0;  // --set
    const std::string at = set ? "--set " + table + "." + given.keys.begin()->first + ":"
                               : input_.layers[layer].file + ":" + std::to_string(given.line) + ": " + table;
    complain(layer, set ? given.keys.begin()->second.line : given.line,
             at + " must not be given beside [objective]: an objective of the program's own has no model and no data set");
  }

  // Decides whose keys a table has.
  void choose_entry(const RecipeTable& table) {
    if (table.fixed) {
      keys_[table.name] = table.fixed;
      return;
    }
    std::vector<std::string> names;
    for (const Named& e : table.entries) names.push_back(e.name);
    const std::string allowed =
        names.empty() ? "an objective of the program, and this one has none" : "one of " + join(names);
    for (size_t k = 0; k < input_.layers.size(); ++k) {
      const Given* given = given_in(k, table.name, "name");
      if (!given) continue;
      const auto* text = given->value ? std::get_if<std::string>(&*given->value) : nullptr;
      if (!text) {
        complain(k, *given, "must be a string, got " + (given->value ? describe_given(*given->value) : given->other));
        return;
      }
      if (const auto* options = options_of(table, *text)) {
        keys_[table.name] = options;
        entry_[table.name] = *text;
        (recipe_.*table.values).set("name", *text);
        return;
      }
      const auto near = nearest(*text, names);
      const std::string advice = near ? "; did you mean " + *near + "?" : "";
      complain(k, *given,
               "must be " + allowed + ", got " + describe_given(*given->value) +
                   (names.empty() ? "; the program that adds it runs this recipe" : advice));
      return;
    }
    complain_about(table.name,
                   table.name + ".name must be given (" + (names.empty() ? allowed : join(names)) + "), got nothing");
  }

  // Complains about unknown tables and keys of a layer, whether or not their values are in force.
  void check_names(size_t layer) {
    const RecipeLayer& given = input_.layers[layer];
    std::vector<std::string> names;
    for (const RecipeTable& table : tables_) names.push_back(table.name);
    names.push_back("sweep");
    const auto unknown_table = [&](const std::string& name) {
      const auto near = nearest(name, names);
      return "is not a table of a recipe; " +
             (near ? "did you mean [" + *near + "]?" : "the tables are [" + join_tables(names) + "]");
    };
    for (const auto& [key, stray] : given.strays) {
      const std::string home = home_of(key, "");
      const bool is_table = std::count(names.begin(), names.end(), key) != 0;
      if (is_table)
        complain(layer, stray, "must be a table, got " + describe_given(stray));
      else if (!home.empty())
        complain(layer, stray, "must be in a table: " + show_key(key) + " belongs in [" + home + "]");
      else if (layer == 0 && key == "extends")
        complain(layer, stray, "can only be given in a recipe file");
      else
        complain(layer, stray, unknown_table(key));
    }
    for (const auto& [name, keys] : given.tables) {
      if (name == "sweep") continue;  // read_sweep() knows its keys
      const auto table = std::find_if(tables_.begin(), tables_.end(),
                                      [&, &wanted = name](const RecipeTable& t) { return t.name == wanted; });
      if (table != tables_.end()) {
        for (const auto& [key, value] : keys.keys) check_key(layer, *table, key, value);
        continue;
      }
      const std::string at = layer == 0 ? "--set " + show_key(name) + ":"
                                        : given.file + ":" + std::to_string(keys.line) + ": " + show_key(name);
      const int line = layer == 0 && !keys.keys.empty() ? keys.keys.begin()->second.line : keys.line;
      complain(layer, line, at + " " + unknown_table(name));
    }
  }

  static std::string join_tables(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : "], [") + name;
    return out;
  }

  // Returns the other table that has this key; empty when none has.
  std::string home_of(const std::string& key, const std::string& not_this) const {
    if (key == "name") return "";
    for (const RecipeTable& table : tables_) {
      const auto keys = keys_.find(table.name);
      if (table.name != not_this && keys != keys_.end() && find_option(*keys->second, key)) return table.name;
    }
    return "";
  }

  void check_key(size_t layer, const RecipeTable& table, const std::string& key, const Given& given) {
    const auto keys = keys_.find(table.name);
    if (keys == keys_.end()) return;  // no entry, so no keys to compare with; that was complained about
    if ((key == "name" && !table.fixed) || find_option(*keys->second, key)) return;

    // A key of the entry that a weaker layer named, and that a stronger one replaced, goes with that entry.
    const std::string before = entry_at(table, layer);
    const std::vector<Option>* own = options_of(table, before);
    if (own && find_option(*own, key)) return;
    const std::string entry = table.fixed ? "[" + table.name + "]" : own ? before : entry_.at(table.name);
    const std::vector<Option>& options = own ? *own : *keys->second;

    std::vector<std::string> inner;  // the keys of the table that this key names, if it names one
    for (const Option& option : options)
      if (option.name.starts_with(key + ".")) inner.push_back(option.name.substr(key.size() + 1));
    if (!inner.empty()) {
      if (!given.value && given.other == "a table") return;  // an empty one
      complain(layer, given, "must be a table with " + join(inner) + ", got " + describe_given(given));
      return;
    }
    for (size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
      const Option* option = find_option(options, key.substr(0, dot));
      if (!option) continue;
      complain(layer, given,
               "must not be given: " + table.name + "." + option->name + " is no table but a value (" +
                   describe_range(*option) + ")");
      return;
    }
    complain(layer, given, "is not a key of " + entry + "; " + advice(table, options, key));
  }

  std::string advice(const RecipeTable& table, const std::vector<Option>& options, const std::string& key) const {
    if (const std::string home = home_of(key, table.name); !home.empty())
      return show_key(key) + " belongs in [" + home + "]";
    std::vector<std::string> names;
    if (!table.fixed) names.push_back("name");
    for (const Option& option : options) names.push_back(option.name);
    std::optional<std::string> near = nearest(key, names);
    for (const std::string& name : names)
      if (!near && last_part(name) == last_part(key)) near = name;
    return near ? "did you mean " + *near + "?" : "its keys are " + join(names);
  }

  // Takes the strongest layer's value of every key that is used, or the default.
  void check_values(const RecipeTable& table) {
    const auto keys = keys_.find(table.name);
    if (keys == keys_.end()) return;
    const View view = view_from(0);
    Values& values = recipe_.*table.values;
    for (const Option& option : *keys->second) {
      size_t layer = 0;
      const Given* given = nullptr;
      while (layer < input_.layers.size() && !(given = given_in(layer, table.name, option.name))) ++layer;
      const bool unused = why_unused(option, table.name, view).has_value();
      if (unused) check_unused(table, option);
      if (given && !unused)
        take(layer, option, *given, values);
      else if (option.fallback)
        values.set(option.name, *option.fallback);
      else if (option.required && !unused)
        complain_about(table.name,
                       table.name + "." + option.name + " must be given (" + describe_range(option) + "), got nothing");
    }
  }

  void take(size_t layer, const Option& option, const Given& given, Values& values) {
    if (!given.value) {
      complain(layer, given, kind_complaint(option, given.other));
      return;
    }
    Value value = *given.value;
    if (const auto* whole = std::get_if<int64_t>(&value); whole && option.kind == Kind::number)
      value = static_cast<double>(*whole);
    if (const auto wrong = complaint(option, value)) return complain(layer, given, *wrong);
    if (option.path != Path::no) value = absolute(input_.layers[layer].file, option, std::get<std::string>(value));
    values.set(option.name, std::move(value));
  }

  // Shows the tables, as layers from `first` on give them: entries, values and defaults. A key that other keys put out of
  // use shows its default: what is not in force must not put further keys out of use. Such rules stand on each other at most
  // `deep` times.
  View view_from(size_t first, int deep = 2) const {
    const auto option = [this, first](const std::string& name, const std::string& key) -> const Option* {
      for (const RecipeTable& table : tables_) {
        if (table.name != name) continue;
        const auto now = keys_.find(name);
        const auto* then = options_of(table, entry_at(table, first));
        if (!then && now != keys_.end()) then = now->second;
        return then ? find_option(*then, key) : nullptr;
      }
      return nullptr;
    };
    const auto value = [this, first, deep, option](const std::string& table, const std::string& key) -> const Value* {
      const Option* o = option(table, key);
      const Value* const otherwise = o && o->fallback ? &*o->fallback : nullptr;
      for (size_t k = first; k < input_.layers.size(); ++k)
        if (const Given* given = given_in(k, table, key)) {
          if (deep > 0 && o && why_unused(*o, table, view_from(first, deep - 1))) return otherwise;
          return given->value ? &*given->value : &no_value;
        }
      return otherwise;
    };
    return {option, value};
  }

  // Complains about a given key that the run does not use. One that its own layer and the weaker ones together do use has
  // become unused by what a stronger layer says, and is passed over.
  void check_unused(const RecipeTable& table, const Option& option) {
    for (size_t k = 0; k < input_.layers.size(); ++k) {
      const Given* given = given_in(k, table.name, option.name);
      if (!given || is_resolved(k)) continue;
      if (const auto why = why_unused(option, table.name, view_from(k))) return complain(k, *given, *why);
    }
  }

  bool is_resolved(size_t layer) const {
    constexpr size_t first_file = 1;  // layer 0 is --set
    const auto is_given = [&](const auto& key) { return given_in(layer, key.first, key.second) != nullptr; };
    return layer >= first_file && std::all_of(resolved_keys.begin(), resolved_keys.end(), is_given);
  }

  bool given_by_resolved(const Misfit& wrong) const {
    for (size_t k = 0; k < input_.layers.size(); ++k)
      if (given_in(k, wrong.table, wrong.key)) return is_resolved(k);
    return false;
  }

  // Complains about what no single key can tell. A key that was given a bad value has its own complaint.
  void check_together() {
    const auto attempted = [&](const std::string& key) {
      for (size_t k = 0; k < input_.layers.size(); ++k)
        if (given_in(k, "schedule", key)) return true;
      return false;
    };
    for (const Misfit& wrong : misfits(recipe_)) {
      if (std::any_of(wrong.missing.begin(), wrong.missing.end(), attempted)) continue;
      if (wrong.idle && given_by_resolved(wrong)) continue;
      if (wrong.key.empty())
        complain_about(wrong.table, wrong.text);
      else
        blame(wrong.table, wrong.key, wrong.text);
    }
  }

  // Complains at the place that gives the key.
  void blame(const std::string& table, const std::string& key, const std::string& text) {
    for (size_t k = 0; k < input_.layers.size(); ++k)
      if (const Given* given = given_in(k, table, key)) return complain(k, *given, text);
    complain_about(table, table + "." + key + " " + text);
  }

  void report() {
    auto& all = input_.complaints;
    if (all.empty()) return;
    std::stable_sort(all.begin(), all.end(), [](const Complaint& a, const Complaint& b) {
      return std::pair(a.layer, a.line) < std::pair(b.layer, b.line);
    });
    std::string text;
    for (size_t k = 0; k < std::min(all.size(), most_complaints); ++k) text += (k ? "\n" : "") + all[k].text;
    if (all.size() > most_complaints) text += "\n(and " + std::to_string(all.size() - most_complaints) + " more)";
    throw UserError(text);
  }

  RecipeLayers input_;
  std::string source_;
  const std::vector<RecipeTable> tables_ = tables();
  std::map<std::string, const std::vector<Option>*> keys_;  // by table; absent when its entry is not known
  std::map<std::string, std::string> entry_;                // by table: "celgc"; absent when not known
  Recipe recipe_;
};

}  // namespace

Recipe parse_recipe(const std::string& toml, const std::string& source, const std::vector<std::string>& sets) {
  return Checker(read_layers(toml, source, sets), source).check().recipe;
}

SweptRecipe load_swept_recipe(const std::string& path, const std::vector<std::string>& sets) {
  return Checker(read_layers(read_recipe_file(path, path + ":"), path, sets), path).check();
}

Recipe load_recipe(const std::string& path, const std::vector<std::string>& sets) {
  return parse_recipe(read_recipe_file(path, path + ":"), path, sets);
}

std::string to_toml(const Recipe& recipe) {
  std::string out, table;
  for (const Used& used : used_values(recipe)) {
    if (used.table != table) out += (out.empty() ? "[" : "\n[") + used.table + "]\n";
    table = used.table;
    out += used.key + " = " + to_toml(used.value) + "\n";
  }
  return out;
}

}  // namespace tacet
