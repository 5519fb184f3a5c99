// Self-describing options: a method, a model or a data set says which keys it has, of which kind and range, and why.
// The recipe parser, `tacet algorithms`, `tacet models` and docs/recipes.md all read the same list, so they can't disagree.
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

enum class Kind { flag, integer, number, text, numbers };

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
