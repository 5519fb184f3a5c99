// Implements tables.h.
#include "recipe/tables.h"

#include <algorithm>

#include "engine/client_sampling.h"
#include "engine/schedule.h"
#include "recipe/run_options.h"
#include "tacet/algorithm.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

template <class Rows>
std::vector<Named> named(const Rows& rows) {
  std::vector<Named> out;
  for (const auto& row : rows) out.push_back({row.name, &row.options});
  return out;
}

// A key of one of the tables.
struct Place {
  std::string table, key;
  std::string shown() const { return table + "." + key; }
};

// Returns the key that a rule of `table` means: one of the same table, or "table.key".
Place place_of(const std::string& key, const std::string& table, const View& view) {
  const size_t dot = key.find('.');
  if (dot == std::string::npos || view.option(table, key)) return {table, key};
  return {key.substr(0, dot), key.substr(dot + 1)};
}

std::string words(const std::vector<std::string>& list) {
  std::string out;
  for (size_t k = 0; k < list.size(); ++k) out += (k == 0 ? "" : k + 1 == list.size() ? " or " : ", ") + list[k];
  return out;
}

// Returns "clients.sampling = "dirichlet"", or the key alone where another value than its default will do.
std::string shown(const OnlyWith& condition, const std::string& table, const View& view) {
  const Place place = place_of(condition.key, table, view);
  std::vector<std::string> values;
  for (const Value& value : condition.values) values.push_back(to_toml(value));
  const Option* option = view.option(place.table, place.key);
  if (values.empty() && option && option->kind == Kind::flag && option->fallback)
    values.push_back(to_toml(!std::get<bool>(*option->fallback)));
  return place.shown() + (values.empty() ? "" : " = " + words(values));
}

// Compares values; an integer may stand where a number is wanted.
bool equal(const Value& a, const Value& b) {
  const auto number = [](const Value& v) -> std::optional<double> {
    if (const auto* whole = std::get_if<int64_t>(&v)) return static_cast<double>(*whole);
    if (const auto* real = std::get_if<double>(&v)) return *real;
    return {};
  };
  return a == b || (number(a) && number(a) == number(b));
}

// Returns true for a value that the option can't have. It has a complaint of its own, and nothing follows from it.
bool is_wrong(const Option& option, const Value& value) {
  const auto* whole = std::get_if<int64_t>(&value);
  const bool as_number = whole && option.kind == Kind::number;
  return complaint(option, as_number ? Value(static_cast<double>(*whole)) : value).has_value();
}

}  // namespace

const std::vector<Option>& client_options() {
  static const std::vector<Option> options = options_of<ClientOptions>();
  return options;
}

const std::vector<Option>& schedule_options() {
  static const std::vector<Option> options = options_of<ScheduleOptions>();
  return options;
}

const std::vector<Option>& run_options() {
  static const std::vector<Option> options = options_of<RunOptions>();
  return options;
}

std::vector<RecipeTable> tables() {
  return {{"data", &Recipe::data, "data set", named(datasets())},
          {"model", &Recipe::model, "model", named(models())},
          {"objective", &Recipe::objective, "objective", named(objectives())},
          {"algorithm", &Recipe::algorithm, "method", named(algorithms())},
          {"clients", &Recipe::clients, "", {}, &client_options()},
          {"schedule", &Recipe::schedule, "", {}, &schedule_options()},
          {"run", &Recipe::run, "", {}, &run_options()}};
}

const std::vector<Option>* options_of(const RecipeTable& table, const std::string& entry) {
  if (table.fixed) return table.fixed;
  for (const Named& e : table.entries)
    if (e.name == entry) return e.options;
  return nullptr;
}

const std::vector<Option>* options_of(const RecipeTable& table, const Recipe& recipe) {
  const Values& values = recipe.*table.values;
  return options_of(table, table.fixed || !values.has("name") ? "" : values.text("name"));
}

View view_of(const Recipe& recipe) {
  struct Keys {
    const std::vector<Option>* options;
    const Values* values;
  };
  std::map<std::string, Keys> all;
  for (const RecipeTable& table : tables()) all[table.name] = {options_of(table, recipe), &(recipe.*table.values)};
  const auto option = [all](const std::string& table, const std::string& key) -> const Option* {
    const auto keys = all.find(table);
    return keys == all.end() || !keys->second.options ? nullptr : find_option(*keys->second.options, key);
  };
  const auto value = [all, option](const std::string& table, const std::string& key) -> const Value* {
    const auto keys = all.find(table);
    if (keys == all.end()) return nullptr;
    if (keys->second.values->has(key)) return &keys->second.values->all().at(key);
    const Option* o = option(table, key);
    return o && o->fallback ? &*o->fallback : nullptr;
  };
  return {option, value};
}

bool holds(const OnlyWith& condition, const std::string& table, const View& view, bool if_wrong) {
  const Place place = place_of(condition.key, table, view);
  const Value* value = view.value(place.table, place.key);
  if (!value) return false;
  const Option* option = view.option(place.table, place.key);
  if (option && is_wrong(*option, *value)) return if_wrong;
  if (!condition.values.empty())
    return std::any_of(condition.values.begin(), condition.values.end(), [&](const Value& v) { return equal(v, *value); });
  return !option || !option->fallback || !equal(*option->fallback, *value);
}

std::optional<std::string> why_unused(const Option& option, const std::string& table, const View& view) {
  for (const OnlyWith& condition : option.only_with) {
    if (holds(condition, table, view, true)) continue;
    const Place place = place_of(condition.key, table, view);
    const Value* value = view.value(place.table, place.key);
    return "is used with " + shown(condition, table, view) + " only, which is " + (value ? to_toml(*value) : "not given");
  }
  for (const OnlyWith& condition : option.not_with)
    if (holds(condition, table, view, false))
      return "is not used with " + shown(condition, table, view) + ", which is given";
  if (option.only_with_one_of.empty()) return {};
  std::vector<std::string> choices;
  for (const OnlyWith& condition : option.only_with_one_of) {
    if (holds(condition, table, view, true)) return {};
    choices.push_back(shown(condition, table, view));
  }
  return "is used with " + words(choices) + " only, and the recipe has none of them";
}

std::vector<Used> used_values(const Recipe& recipe) {
  std::vector<Used> out;
  const View view = view_of(recipe);
  for (const RecipeTable& table : tables()) {
    const Values& values = recipe.*table.values;
    if (!table.fixed && values.has("name")) out.push_back({table.name, nullptr, "name", values.all().at("name")});
    const std::vector<Option>* options = options_of(table, recipe);
    if (!options) continue;
    for (const Option& option : *options)
      if (values.has(option.name) && !why_unused(option, table.name, view))
        out.push_back({table.name, &option, option.name, values.all().at(option.name)});
  }
  return out;
}

}  // namespace tacet
