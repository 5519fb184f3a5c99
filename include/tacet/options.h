// Self-describing options: a method, a model or a data set says which keys it has, of which kind and range, and why.
// The recipe parser, `tacet algorithms`, `tacet models` and docs/reference/recipes.md all read the same list, so they can't
// disagree. This file knows nothing of TOML.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tacet {

using Numbers = std::vector<double>;
using Value = std::variant<bool, int64_t, double, std::string, Numbers>;

enum class Kind { flag, integer, number, text, numbers };

// Bounds of a number. Infinite and closed: no bound.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false, max_open = false;  // true: the bound itself is not allowed
};
Range at_least(double min);            // min ≤ v, finite
Range above(double min);               // min < v, finite
Range within(double min, double max);  // min ≤ v ≤ max

// What another key must be so that an option is used: one of `values`; or, where there are none, another value than its
// default.
struct OnlyWith {
  std::string key;  // of the same table, or "table.key"
  std::vector<Value> values = {};
};

// One key. Unset optionals mean "no bound" or "no default" (then the key is required, unless `required` is false).
struct Option {
  std::string name;
  Kind kind = Kind::number;
  std::optional<Value> fallback = {};  // the default; its alternative matches `kind`
  std::string doc;                     // one sentence: meaning, unit
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false, max_open = false;  // true: the bound itself is not allowed
  std::vector<std::string> one_of = {};     // kind text: the allowed words; empty: any text
  bool required = true;                     // without a default: must the recipe give it?
  bool ascending = false;                   // kind numbers: each greater than the one before
  std::vector<OnlyWith> only_with = {};     // all of them must hold; a recipe that gives an unused option is refused
  bool free_on_resume = false;              // a resumed run may have another value
  bool per_machine = false;                 // workers of one run may have different values
};
// NaN is never a value. An infinite number is one only where the bound on that side is infinite and not open.

// The keys' values after checking: every option with a default or a given value is present.
class Values {
 public:
  bool has(const std::string& key) const { return values_.count(key) != 0; }
  // Each throws std::logic_error when the key is absent or of another kind: that is a defect in the caller's schema.
  bool flag(const std::string& key) const;
  int64_t integer(const std::string& key) const;
  double number(const std::string& key) const;
  const std::string& text(const std::string& key) const;
  const Numbers& numbers(const std::string& key) const;

  void set(const std::string& key, Value value) { values_[key] = std::move(value); }
  const std::map<std::string, Value>& all() const { return values_; }

 private:
  std::map<std::string, Value> values_;
};

// Binds keys to the members that hold their values: one line an option, beside the code that uses it. Made without values it
// only lists the options; made with values it also writes those that are present into the members.
//
//   struct Momentum {
//     double mu = 0;
//     void options(OptionList& o) { o.number("momentum", mu, 0.9, within(0, 1), "heavy-ball momentum μ"); }
//   };
class OptionList {
 public:
  OptionList() = default;
  explicit OptionList(const Values& values) : values_(&values) {}

  // Each returns the option, so that rules can be added: o.number(…).only_with = {{"sampling", {"dirichlet"}}}. Without a
  // fallback the recipe must give the key. The reference is valid until the next option is added.
  Option& flag(std::string name, bool& member, bool fallback, std::string doc);
  Option& integer(std::string name, int64_t& member, std::optional<int64_t> fallback, Range range, std::string doc);
  Option& number(std::string name, double& member, std::optional<double> fallback, Range range, std::string doc);
  Option& text(std::string name, std::string& member, std::optional<std::string> fallback, std::vector<std::string> one_of,
               std::string doc);
  Option& numbers(std::string name, Numbers& member, std::optional<Numbers> fallback, Range range, std::string doc);
  // Keys that a recipe may leave out, with no default.
  Option& maybe_integer(std::string name, std::optional<int64_t>& member, Range range, std::string doc);
  Option& maybe_number(std::string name, std::optional<double>& member, Range range, std::string doc);
  Option& maybe_text(std::string name, std::optional<std::string>& member, std::vector<std::string> one_of, std::string doc);
  Option& maybe_numbers(std::string name, std::optional<Numbers>& member, Range range, std::string doc);

  const std::vector<Option>& all() const { return options_; }

 private:
  Option& add(std::string name, Kind kind, std::optional<Value> fallback, Range range, std::string doc);
  const Value* given(const std::string& name) const;

  const Values* values_ = nullptr;
  std::vector<Option> options_;
};

// What is wrong with `value` for `option` ("must be > 0, got -1"), or nothing. Integers are accepted for numbers by the
// parser before this is called.
std::optional<std::string> complaint(const Option& option, const Value& value);
// The same for something that is no Value at all: "must be an integer, got a date".
std::string kind_complaint(const Option& option, const std::string& got);

// "number > 0, default 0.5": for help texts and docs. The second leaves the default out: "number > 0".
std::string describe(const Option& option);
std::string describe_range(const Option& option);
// What was given, for messages: 3, 3.0, true, the string "3", the list [1.0, 2.0]. Long texts are cut.
std::string describe_given(const Value& value);
// The value as TOML text: 0.25, 3, true, "text", [1.0, 2.0]. Doubles round-trip.
std::string to_toml(const Value& value);

// The candidate nearest to `given` by edit distance, when it is close enough to be a likely misspelling.
std::optional<std::string> nearest(const std::string& given, const std::vector<std::string>& candidates);

}  // namespace tacet
