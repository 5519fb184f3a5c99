// From given values to a checked recipe: which entry a table names, which layer's value is in force, what is wrong with it.
// TOML itself is read in recipe_file.cc.
#include "tacet/recipe.h"

#include <algorithm>
#include <array>

#include "recipe/recipe_file.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

constexpr size_t most_complaints = 10;

// A method, model or data set, as far as its keys are concerned.
struct Named {
  std::string name;
  const std::vector<Option>* options;
};

// One of the recipe's six tables.
struct Table {
  std::string name;
  Values Recipe::*values;
  std::string entry;           // what `name` names: "method"; empty for tables with fixed keys
  std::vector<Named> entries;  // to choose from
  const std::vector<Option>* fixed = nullptr;
};

template <class Rows>
std::vector<Named> named(const Rows& rows) {
  std::vector<Named> out;
  for (const auto& row : rows) out.push_back({row.name, &row.options});
  return out;
}

std::vector<Table> tables() {
  return {{"data", &Recipe::data, "data set", named(datasets())},
          {"model", &Recipe::model, "model", named(models())},
          {"algorithm", &Recipe::algorithm, "method", named(algorithms())},
          {"clients", &Recipe::clients, "", {}, &client_options()},
          {"schedule", &Recipe::schedule, "", {}, &schedule_options()},
          {"run", &Recipe::run, "", {}, &run_options()}};
}

const std::vector<Option>* options_of(const Table& table, const std::string& entry) {
  if (table.fixed) return table.fixed;
  for (const Named& e : table.entries)
    if (e.name == entry) return e.options;
  return nullptr;
}

const Option* find_option(const std::vector<Option>* options, const std::string& key) {
  if (!options) return nullptr;
  for (const Option& option : *options)
    if (option.name == key) return &option;
  return nullptr;
}

// The part of a key that complaints about it compare: "kind" in "partition.kind".
std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

class Checker {
 public:
  Checker(RecipeLayers input, std::string source) : input_(std::move(input)), source_(std::move(source)) {
    recipe_.source = source_;
  }

  Recipe check() {
    for (const Table& table : tables_) choose_entry(table);
    for (size_t k = 0; k < input_.layers.size(); ++k) check_names(k);
    for (const Table& table : tables_) check_values(table);
    check_together();
    report();
    return std::move(recipe_);
  }

 private:
  void complain(size_t layer, int line, std::string text) { input_.complaints.push_back({layer, line, std::move(text)}); }
  void complain(size_t layer, const Given& given, const std::string& text) {
    complain(layer, given.line, given.at + " " + text);
  }

  // A complaint that no key of the recipe's own can be blamed for: it points at the table, or at the top of the file.
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

  // The entry that a table names when only layers from `first` on are read; empty when none is named.
  std::string entry_at(const Table& table, size_t first) const {
    for (size_t k = first; k < input_.layers.size(); ++k)
      if (const Given* given = given_in(k, table.name, "name")) {
        const auto* text = given->value ? std::get_if<std::string>(&*given->value) : nullptr;
        return text ? *text : "";
      }
    return "";
  }

  // Decides whose keys a table has.
  void choose_entry(const Table& table) {
    if (table.fixed) {
      keys_[table.name] = table.fixed;
      return;
    }
    std::vector<std::string> names;
    for (const Named& e : table.entries) names.push_back(e.name);
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
      complain(k, *given,
               "must be one of " + join(names) + ", got " + describe_given(*given->value) +
                   (near ? "; did you mean " + *near + "?" : ""));
      return;
    }
    complain_about(table.name, table.name + ".name must be given (" + join(names) + "), got nothing");
  }

  // Every table and key of a layer must be known, whether or not its value is in force.
  void check_names(size_t layer) {
    const RecipeLayer& given = input_.layers[layer];
    std::vector<std::string> names;
    for (const Table& table : tables_) names.push_back(table.name);
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
      const auto table =
          std::find_if(tables_.begin(), tables_.end(), [&, &wanted = name](const Table& t) { return t.name == wanted; });
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

  // The other table that has this key; empty when none has.
  std::string home_of(const std::string& key, const std::string& not_this) const {
    if (key == "name") return "";
    for (const Table& table : tables_) {
      const auto keys = keys_.find(table.name);
      if (table.name != not_this && keys != keys_.end() && find_option(keys->second, key)) return table.name;
    }
    return "";
  }

  void check_key(size_t layer, const Table& table, const std::string& key, const Given& given) {
    const auto keys = keys_.find(table.name);
    if (keys == keys_.end()) return;  // no entry, so no keys to compare with; that was complained about
    if ((key == "name" && !table.fixed) || find_option(keys->second, key)) return;

    // A key of the entry that a weaker layer named, and that a stronger one replaced, goes with that entry.
    const std::string before = entry_at(table, layer);
    const std::vector<Option>* own = options_of(table, before);
    if (find_option(own, key)) return;
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
      const Option* option = find_option(&options, key.substr(0, dot));
      if (!option) continue;
      complain(layer, given,
               "must not be given: " + table.name + "." + option->name + " is no table but a value (" +
                   describe_range(*option) + ")");
      return;
    }
    complain(layer, given, "is not a key of " + entry + "; " + advice(table, options, key));
  }

  std::string advice(const Table& table, const std::vector<Option>& options, const std::string& key) const {
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

  // Takes the strongest layer's value of every key, or the default.
  void check_values(const Table& table) {
    const auto keys = keys_.find(table.name);
    if (keys == keys_.end()) return;
    Values& values = recipe_.*table.values;
    for (const Option& option : *keys->second) {
      size_t layer = 0;
      const Given* given = nullptr;
      while (layer < input_.layers.size() && !(given = given_in(layer, table.name, option.name))) ++layer;
      if (given)
        take(layer, option, *given, values);
      else if (option.fallback)
        values.set(option.name, *option.fallback);
      else if (option.required)
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
    if (const auto wrong = complaint(option, value))
      complain(layer, given, *wrong);
    else
      values.set(option.name, std::move(value));
  }

  // What no single key can tell.
  void check_together() {
    const auto attempted = [&](const char* key) {  // a bad value has its own complaint
      for (size_t k = 0; k < input_.layers.size(); ++k)
        if (given_in(k, "schedule", key)) return true;
      return false;
    };
    if (!attempted("epochs") && !attempted("rounds") && !attempted("iterations"))
      complain_about("schedule", "schedule must give epochs, rounds or iterations, got none of them");

    const Values& clients = recipe_.clients;
    if (clients.has("count") && clients.has("participating") && clients.integer("participating") > clients.integer("count"))
      blame("clients", "participating",
            "must be <= clients.count = " + std::to_string(clients.integer("count")) + ", got " +
                std::to_string(clients.integer("participating")));

    if (entry_.count("algorithm") && find_algorithm(entry_.at("algorithm")).single_client && clients.has("count") &&
        clients.integer("count") != 1)
      blame("clients", "count",
            "must be 1 for " + entry_.at("algorithm") + ", got " + std::to_string(clients.integer("count")));

    if (entry_.count("algorithm") && find_algorithm(entry_.at("algorithm")).every_client && clients.has("count") &&
        clients.has("participating") && clients.integer("participating") < clients.integer("count"))
      blame("clients", "participating",
            "must be clients.count = " + std::to_string(clients.integer("count")) + " for " + entry_.at("algorithm") +
                ", where every client takes part in every step, got " + std::to_string(clients.integer("participating")));

    const Values& algorithm = recipe_.algorithm;
    if (algorithm.has("delay") && algorithm.has("interval") && algorithm.integer("delay") > algorithm.integer("interval"))
      blame("algorithm", "delay",
            "must be <= algorithm.interval = " + std::to_string(algorithm.integer("interval")) + ", got " +
                std::to_string(algorithm.integer("delay")));

    if (entry_.count("algorithm") && !find_algorithm(entry_.at("algorithm")).droppable() &&
        recipe_.run.has("round_deadline") && recipe_.run.number("round_deadline") > 0)
      blame("run", "round_deadline",
            "must be 0 for " + entry_.at("algorithm") + ", whose rounds can't go on without a client, got " +
                to_toml(Value(recipe_.run.number("round_deadline"))));

    const Values& schedule = recipe_.schedule;
    if (schedule.has("cosine") && schedule.flag("cosine") && schedule.has("unit") &&
        !attempted(schedule.text("unit").c_str()))
      blame("schedule", "cosine",
            "needs schedule." + schedule.text("unit") + ", where it ends (schedule.unit = \"" + schedule.text("unit") +
                "\"), got nothing");

    if (entry_.count("data") && entry_.count("model")) {
      const DatasetInfo& data = find_dataset(entry_.at("data"));
      const ModelInfo& model = find_model(entry_.at("model"));
      if (data.task != model.task)
        blame("model", "name",
              "must be a model for " + data.task + " data such as " + data.name + ", got " + model.name + " for " +
                  model.task);
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
  const std::vector<Table> tables_ = tables();
  std::map<std::string, const std::vector<Option>*> keys_;  // by table; absent when its entry is not known
  std::map<std::string, std::string> entry_;                // by table: "celgc"; absent when not known
  Recipe recipe_;
};

}  // namespace

Recipe parse_recipe(const std::string& toml, const std::string& source, const std::vector<std::string>& sets) {
  return Checker(read_layers(toml, source, sets), source).check();
}

Recipe load_recipe(const std::string& path, const std::vector<std::string>& sets) {
  return parse_recipe(read_recipe_file(path, path + ":"), path, sets);
}

std::string to_toml(const Recipe& recipe) {
  std::string out;
  for (const Table& table : tables()) {
    const Values& values = recipe.*table.values;
    out += (out.empty() ? "[" : "\n[") + table.name + "]\n";
    // The entry's name first, then the keys in the order in which they are documented.
    std::vector<std::string> order = {"name"};
    const auto* options = options_of(table, table.fixed || !values.has("name") ? "" : values.text("name"));
    if (options)
      for (const Option& option : *options) order.push_back(option.name);
    for (const std::string& key : order)
      if (values.has(key)) out += key + " = " + to_toml(values.all().at(key)) + "\n";
  }
  return out;
}

}  // namespace tacet
