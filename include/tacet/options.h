// Self-describing options. A method, a model, a data set or a table of a recipe lists its keys with kind, range and meaning.
// The recipe parser, `tacet algorithms`, `tacet models` and docs/reference/recipes.md read one list, so they can't disagree.
// This file knows nothing of TOML.
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

// The advice behind a complaint about a text in "…", whose backslashes are escapes.
inline constexpr const char* kBackslashAdvice =
    "; in \"…\" a backslash begins an escape: write a Windows path in '…', or with /";

enum class Kind { flag, integer, number, text, numbers };

// Bounds of a number. An infinite closed bound is none.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false, max_open = false;  // true: the bound itself is not allowed
};
Range at_least(double min);               // min ≤ v, finite
Range above(double min);                  // min < v, finite
Range above_or_infinite(double min);      // min < v ≤ ∞
Range within(double min, double max);     // min ≤ v ≤ max
Range half_open(double min, double max);  // min ≤ v < max
Range left_open(double min, double max);  // min < v ≤ max

// A condition on another key, which must have one of `values`. Without `values` it must differ from its default, or, having
// none, be given.
struct OnlyWith {
  std::string key;  // "key" of the same table, or "table.key"
  std::vector<Value> values = {};
};

// Tells if a text is the path of a file or folder. A relative one begins at the recipe that gives it, or with --set at the
// working folder, and a recipe's values hold absolute ones.
enum class Path {
  no,
  yes,
  searched  // where there is no such file, the text stays as it is, and its reader looks for it elsewhere
};

// One key. A recipe must give it if it has no default, unless `required` is false.
struct Option {
  std::string name;
  Kind kind = Kind::number;
  std::optional<Value> fallback = {};  // the default; its alternative matches `kind`
  std::string doc;                     // one sentence: meaning, unit
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false, max_open = false;  // true: the bound itself is not allowed
  std::vector<std::string> one_of = {};     // kind text: the allowed words, or any text where empty; kind integer: words
                                            // that may stand in its place
  bool required = true;                     // a recipe must give it; only without a default
  bool ascending = false;                   // kind numbers: each must be greater than the one before
  // The conditions of use: all of `only_with`, and one of `only_with_one_of`. A recipe that gives an unused option is
  // refused.
  std::vector<OnlyWith> only_with = {}, only_with_one_of = {};
  std::vector<OnlyWith> not_with = {};    // conditions under which it is unused
  bool free_on_resume = false;            // a resumed run may have another value …
  std::vector<OnlyWith> bound_with = {};  // … unless one of these holds
  bool added_later = false;               // a resumed run may have it where the recipe it began with, an older one, has not
  bool per_machine = false;               // workers of one run may have different values
  Path path = Path::no;                   // kind text
};
// NaN is never allowed. An infinite number is allowed only where the bound on its side is infinite and not open.

// The values of keys after checking. Every option with a default or a given value is present.
class Values {
 public:
  bool has(const std::string& key) const { return values_.count(key) != 0; }
  // Each throws std::logic_error when the key is absent or of another kind: a defect in the caller's schema.
  bool flag(const std::string& key) const;
  int64_t integer(const std::string& key) const;
  double number(const std::string& key) const;
  const std::string& text(const std::string& key) const;
  const Numbers& numbers(const std::string& key) const;

  void set(const std::string& key, Value value) { values_[key] = std::move(value); }
  void erase(const std::string& key) { values_.erase(key); }
  const std::map<std::string, Value>& all() const { return values_; }

 private:
  std::map<std::string, Value> values_;
};

// Binds keys to the members that hold their values, one line for each option, beside the code that uses it. Made without
// values, it lists the options and gives the members their defaults. Made with values, it also writes those that are present
// over the defaults.
//
//   struct Momentum {
//     double mu = 0;
//     void options(OptionList& o) { o.number("momentum", mu, 0.9, half_open(0, 1), "heavy-ball momentum μ"); }
//   };
//   options_of<Momentum>()         // the list
//   read_options<Momentum>(given)  // a Momentum with the given values
class OptionList {
 public:
  OptionList() = default;
  explicit OptionList(const Values& values) : values_(&values) {}

  // Each returns the option, so that rules can be added: o.number(…).only_with = {{"sampling", {"dirichlet"}}}. Without a
  // fallback the recipe must give the key. The reference is valid until the next option is added.
  Option& flag(std::string name, bool& member, bool fallback, std::string doc);
  Option& integer(std::string name, int64_t& member, std::optional<int64_t> fallback, Range range, std::string doc);
  Option& integer(std::string name, int& member, std::optional<int64_t> fallback, Range range, std::string doc);
  Option& number(std::string name, double& member, std::optional<double> fallback, Range range, std::string doc);
  Option& text(std::string name, std::string& member, std::optional<std::string> fallback, std::vector<std::string> one_of,
               std::string doc);
  Option& numbers(std::string name, Numbers& member, std::optional<Numbers> fallback, Range range, std::string doc);
  // Each returns an option that a recipe may leave out and that has no default.
  Option& maybe_integer(std::string name, std::optional<int64_t>& member, Range range, std::string doc);
  Option& maybe_number(std::string name, std::optional<double>& member, Range range, std::string doc);
  Option& maybe_text(std::string name, std::optional<std::string>& member, std::vector<std::string> one_of, std::string doc);
  Option& maybe_numbers(std::string name, std::optional<Numbers>& member, Range range, std::string doc);

  const std::vector<Option>& all() const { return options_; }
  std::vector<Option>& all() { return options_; }

 private:
  Option& add(std::string name, Kind kind, std::optional<Value> fallback, Range range, std::string doc);
  const Value* given(const std::string& name) const;

  const Values* values_ = nullptr;
  std::vector<Option> options_;
};

// Returns the options that keys.options(list) binds, with the defaults that `keys` holds.
template <class Keys>
std::vector<Option> options_of(Keys keys = {}) {
  OptionList list;
  keys.options(list);
  return list.all();
}

// Returns `keys` with the values written into what keys.options(list) binds.
template <class Keys>
Keys read_options(const Values& values, Keys keys = {}) {
  OptionList list(values);
  keys.options(list);
  return keys;
}

// Returns the option of that name, or null.
const Option* find_option(const std::vector<Option>& options, const std::string& name);

// Returns a complaint about `value` for `option` ("must be > 0, got -1"), or nothing. REQUIRES: an integer has been turned
// into a number where a number is wanted.
std::optional<std::string> complaint(const Option& option, const Value& value);
// Returns the complaint about something that no Value can hold: "must be an integer, got a date".
std::string kind_complaint(const Option& option, const std::string& got);

// Return "number > 0, default 0.5" and, without the default, "number > 0": for help texts and docs.
std::string describe(const Option& option);
std::string describe_range(const Option& option);
// Returns a given value as messages show it: 3, 3.0, true, the string "3", the list [1.0, 2.0]. Long texts are cut.
std::string describe_given(const Value& value);
// Returns the value as TOML text: 0.25, 3, true, "text", [1.0, 2.0]. Doubles round-trip.
std::string to_toml(const Value& value);

// Returns the candidate nearest to `given` by edit distance, when it is close enough to be a likely misspelling.
std::optional<std::string> nearest(const std::string& given, const std::vector<std::string>& candidates);

}  // namespace tacet
