// Checks and shows option values. The keys themselves stand beside the code that uses them. TOML files are read in
// src/recipe.
#include "tacet/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/utf8.h"

namespace tacet {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Returns the shortest decimal that reads back as this double: 0.1, 30, 1e-10, inf.
std::string plain(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  std::array<char, 32> text{};
  // Bounds like 1000000000 are easier to read without an exponent.
  const bool whole = v == std::floor(v) && std::abs(v) < 1e15;
  const auto end = whole ? std::to_chars(text.data(), text.data() + text.size(), v, std::chars_format::fixed).ptr
                         : std::to_chars(text.data(), text.data() + text.size(), v).ptr;
  return {text.data(), end};
}

// Returns the number as a TOML float, which needs a point, an exponent or a word to differ from an integer.
std::string toml_number(double v) {
  std::string text = plain(v);
  if (text.find_first_of(".einf") == std::string::npos) text += ".0";
  return text;
}

std::string toml_text(const std::string& raw) {
  std::string quoted;
  for (const char c : raw) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return "\"" + visible(quoted) + "\"";
}

// Returns at most `most` bytes of the text, cut between characters.
std::string shorten(const std::string& text, size_t most = 80) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string join_or(const std::vector<std::string>& words) {
  std::string out;
  for (size_t k = 0; k < words.size(); ++k) {
    if (k) out += k + 1 == words.size() ? " or " : ", ";
    out += toml_text(words[k]);
  }
  return out;
}

// Returns `, or "auto"` for an integer in whose place a word may stand; empty for any other option.
std::string or_words(const Option& option) {
  return option.kind != Kind::integer || option.one_of.empty() ? "" : ", or " + join_or(option.one_of);
}

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::flag:
      return "true or false";
    case Kind::integer:
      return "an integer";
    case Kind::number:
      return "a number";
    case Kind::text:
      return "a string";
    case Kind::numbers:
      return "a list of numbers";
  }
  return "";
}

// Returns "> 0 and <= 1"; empty when there is no bound to state. An infinite open bound means "finite", which goes without
// saying until somebody gives inf.
std::string bounds(const Option& o) {
  std::string low, high;
  if (o.min != -infinity) low = (o.min_open ? "> " : ">= ") + plain(o.min);
  if (o.max != infinity) high = (o.max_open ? "< " : "<= ") + plain(o.max);
  return low.empty() || high.empty() ? low + high : low + " and " + high;
}

// Returns true if v is within the option's bounds. Bounds are doubles and not exact beyond 2^53, where no option has one
// that a value could be next to.
bool inside(const Option& o, double v) {
  const bool above = o.min_open ? v > o.min : v >= o.min;
  const bool below = o.max_open ? v < o.max : v <= o.max;
  return above && below;
}

// Returns the range of an integer with both ends: those of 64 bits where the option has none.
std::string integer_bounds(const Option& o) {
  constexpr int64_t lowest = std::numeric_limits<int64_t>::min(), highest = std::numeric_limits<int64_t>::max();
  const std::string low = o.min == -infinity ? ">= " + std::to_string(lowest) : (o.min_open ? "> " : ">= ") + plain(o.min);
  const std::string high = o.max == infinity ? "<= " + std::to_string(highest) : (o.max_open ? "< " : "<= ") + plain(o.max);
  return low + " and " + high;
}

// Returns the complaint about a whole number that 64 bits do not hold.
std::optional<std::string> size_complaint(const Option& o, double v) {
  if (!std::isfinite(v) || std::abs(v) < 0x1p63) return {};
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), v, std::chars_format::fixed);
  const std::string got = end.ec == std::errc() ? std::string(digits.data(), end.ptr) : plain(v);
  return "must be an integer " + integer_bounds(o) + ", got " + got;
}

// Returns the complaint about a text with a tab, a line end or another control character, which no name or path has. Such
// texts come from Windows paths, whose backslashes are escapes in "…".
std::optional<std::string> control_complaint(const std::string& text) {
  if (std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) return {};
  return "must have no tabs, line ends or other control characters, got " + toml_text(shorten(text)) + kBackslashAdvice;
}

std::string must_be_inside(const Option& o, double v) {
  std::string range = bounds(o);
  if (!std::isinf(v)) return range;
  return range.empty() ? "finite" : "finite and " + range;
}

std::optional<std::string> number_complaint(const Option& o, double v) {
  if (std::isnan(v)) return "must be a number, got nan";
  if (!inside(o, v)) return "must be " + must_be_inside(o, v) + ", got " + plain(v);
  return {};
}

std::optional<std::string> numbers_complaint(const Option& o, const Numbers& list) {
  for (size_t k = 0; k < list.size(); ++k) {
    if (std::isnan(list[k])) return "must hold numbers, got nan";
    if (!inside(o, list[k])) return "must hold numbers " + must_be_inside(o, list[k]) + ", got " + plain(list[k]);
    if (o.ascending && k > 0 && list[k] <= list[k - 1])
      return "must be in ascending order, got " + plain(list[k]) + " after " + plain(list[k - 1]);
  }
  return {};
}

template <class T>
const T& value_of(const std::map<std::string, Value>& values, const std::string& key, const char* kind) {
  const auto found = values.find(key);
  if (found == values.end()) throw std::logic_error("option \"" + key + "\" was read but has no value");
  if (const T* value = std::get_if<T>(&found->second)) return *value;
  throw std::logic_error("option \"" + key + "\" was read as " + kind + " but is " + to_toml(found->second));
}

// Returns the optimal string alignment distance: insertions, deletions, changes and swaps of neighbours count one each.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

Range at_least(double min) { return {.min = min, .max_open = true}; }
Range above(double min) { return {.min = min, .min_open = true, .max_open = true}; }
Range above_or_infinite(double min) { return {.min = min, .min_open = true}; }
Range within(double min, double max) { return {.min = min, .max = max}; }
Range half_open(double min, double max) { return {.min = min, .max = max, .max_open = true}; }
Range left_open(double min, double max) { return {.min = min, .max = max, .min_open = true}; }

Option& OptionList::add(std::string name, Kind kind, std::optional<Value> fallback, Range range, std::string doc) {
  Option& o = options_.emplace_back();
  o.name = std::move(name);
  o.kind = kind;
  o.fallback = std::move(fallback);
  o.doc = std::move(doc);
  o.min = range.min;
  o.max = range.max;
  o.min_open = range.min_open;
  o.max_open = range.max_open;
  return o;
}

const Value* OptionList::given(const std::string& name) const {
  return values_ && values_->has(name) ? &values_->all().at(name) : nullptr;
}

Option& OptionList::flag(std::string name, bool& member, bool fallback, std::string doc) {
  member = given(name) ? values_->flag(name) : fallback;
  return add(std::move(name), Kind::flag, fallback, {}, std::move(doc));
}

Option& OptionList::integer(std::string name, int64_t& member, std::optional<int64_t> fallback, Range range,
                            std::string doc) {
  if (given(name))
    member = values_->integer(name);
  else if (fallback)
    member = *fallback;
  return add(std::move(name), Kind::integer, fallback ? std::optional<Value>(*fallback) : std::nullopt, range,
             std::move(doc));
}

Option& OptionList::integer(std::string name, int& member, std::optional<int64_t> fallback, Range range, std::string doc) {
  int64_t wide = member;
  Option& o = integer(std::move(name), wide, fallback, range, std::move(doc));
  member = static_cast<int>(wide);
  return o;
}

Option& OptionList::number(std::string name, double& member, std::optional<double> fallback, Range range, std::string doc) {
  if (given(name))
    member = values_->number(name);
  else if (fallback)
    member = *fallback;
  return add(std::move(name), Kind::number, fallback ? std::optional<Value>(*fallback) : std::nullopt, range,
             std::move(doc));
}

Option& OptionList::text(std::string name, std::string& member, std::optional<std::string> fallback,
                         std::vector<std::string> one_of, std::string doc) {
  if (given(name))
    member = values_->text(name);
  else if (fallback)
    member = *fallback;
  Option& o =
      add(std::move(name), Kind::text, fallback ? std::optional<Value>(*fallback) : std::nullopt, {}, std::move(doc));
  o.one_of = std::move(one_of);
  return o;
}

Option& OptionList::numbers(std::string name, Numbers& member, std::optional<Numbers> fallback, Range range,
                            std::string doc) {
  if (given(name))
    member = values_->numbers(name);
  else if (fallback)
    member = *fallback;
  return add(std::move(name), Kind::numbers, fallback ? std::optional<Value>(*fallback) : std::nullopt, range,
             std::move(doc));
}

Option& OptionList::maybe_integer(std::string name, std::optional<int64_t>& member, Range range, std::string doc) {
  member = given(name) ? std::optional(values_->integer(name)) : std::nullopt;
  Option& o = add(std::move(name), Kind::integer, std::nullopt, range, std::move(doc));
  o.required = false;
  return o;
}

Option& OptionList::maybe_number(std::string name, std::optional<double>& member, Range range, std::string doc) {
  member = given(name) ? std::optional(values_->number(name)) : std::nullopt;
  Option& o = add(std::move(name), Kind::number, std::nullopt, range, std::move(doc));
  o.required = false;
  return o;
}

Option& OptionList::maybe_text(std::string name, std::optional<std::string>& member, std::vector<std::string> one_of,
                               std::string doc) {
  member = given(name) ? std::optional(values_->text(name)) : std::nullopt;
  Option& o = add(std::move(name), Kind::text, std::nullopt, {}, std::move(doc));
  o.one_of = std::move(one_of);
  o.required = false;
  return o;
}

Option& OptionList::maybe_numbers(std::string name, std::optional<Numbers>& member, Range range, std::string doc) {
  member = given(name) ? std::optional(values_->numbers(name)) : std::nullopt;
  Option& o = add(std::move(name), Kind::numbers, std::nullopt, range, std::move(doc));
  o.required = false;
  return o;
}

const Option* find_option(const std::vector<Option>& options, const std::string& name) {
  const auto found = std::find_if(options.begin(), options.end(), [&](const Option& o) { return o.name == name; });
  return found == options.end() ? nullptr : &*found;
}

bool Values::flag(const std::string& key) const { return value_of<bool>(values_, key, "a flag"); }
int64_t Values::integer(const std::string& key) const { return value_of<int64_t>(values_, key, "an integer"); }
double Values::number(const std::string& key) const { return value_of<double>(values_, key, "a number"); }
const std::string& Values::text(const std::string& key) const { return value_of<std::string>(values_, key, "text"); }
const Numbers& Values::numbers(const std::string& key) const { return value_of<Numbers>(values_, key, "a list"); }

std::string describe_given(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return "the string " + toml_text(shorten(*text));
  if (std::holds_alternative<Numbers>(value)) return "the list " + shorten(to_toml(value));
  return to_toml(value);
}

std::string kind_complaint(const Option& option, const std::string& got) {
  return std::string("must be ") + kind_name(option.kind) + or_words(option) + ", got " + got;
}

std::optional<std::string> complaint(const Option& option, const Value& value) {
  const auto wrong_kind = [&] { return kind_complaint(option, describe_given(value)); };
  switch (option.kind) {
    case Kind::flag:
      if (!std::holds_alternative<bool>(value)) return wrong_kind();
      return {};
    case Kind::integer: {
      const auto* word = std::get_if<std::string>(&value);
      if (word && std::count(option.one_of.begin(), option.one_of.end(), *word)) return {};
      const auto* v = std::get_if<int64_t>(&value);
      if (!v) {
        const auto* real = std::get_if<double>(&value);
        if (const auto wrong = real ? size_complaint(option, *real) : std::nullopt) return wrong;
        const bool whole = real && *real == std::floor(*real) && std::abs(*real) < 1e15;
        return wrong_kind() + (whole ? " (write " + plain(*real) + ")" : "");
      }
      if (!inside(option, static_cast<double>(*v)))
        return "must be " + bounds(option) + or_words(option) + ", got " + std::to_string(*v);
      return {};
    }
    case Kind::number:
      if (const auto* v = std::get_if<double>(&value)) return number_complaint(option, *v);
      return wrong_kind();
    case Kind::text: {
      const auto* v = std::get_if<std::string>(&value);
      if (!v) return wrong_kind();
      if (option.one_of.empty()) return control_complaint(*v);
      if (std::count(option.one_of.begin(), option.one_of.end(), *v)) return {};
      return "must be " + join_or(option.one_of) + ", got " + toml_text(shorten(*v));
    }
    case Kind::numbers:
      if (const auto* v = std::get_if<Numbers>(&value)) return numbers_complaint(option, *v);
      return wrong_kind();
  }
  return {};
}

std::string describe_range(const Option& option) {
  std::string range = bounds(option);
  if (!range.empty()) range.insert(0, 1, ' ');
  switch (option.kind) {
    case Kind::flag:
      return "true or false";
    case Kind::integer:
      return "integer" + range + or_words(option);
    case Kind::number:
      return "number" + range + (option.max == infinity && !option.max_open ? ", or inf" : "");
    case Kind::text:
      return option.one_of.empty() ? "string" : join_or(option.one_of);
    case Kind::numbers:
      return "list of numbers" + range + (option.ascending ? ", ascending" : "");
  }
  return "";
}

std::string describe(const Option& option) {
  std::string out = describe_range(option);
  if (!option.fallback) return out + (option.required ? ", required" : ", optional");
  const auto* number = std::get_if<double>(&*option.fallback);
  return out + ", default " + (number ? plain(*number) : to_toml(*option.fallback));
}

std::string to_toml(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return toml_number(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return toml_text(*text);
  std::string out = "[";
  for (const double v : std::get<Numbers>(value)) out += (out.size() > 1 ? ", " : "") + toml_number(v);
  return out + "]";
}

std::optional<std::string> nearest(const std::string& given, const std::vector<std::string>& candidates) {
  constexpr size_t longest = 64;  // letters; the cost grows with the square
  if (given.empty() || given.size() > longest) return {};
  std::optional<std::string> best;
  size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > longest) continue;
    const size_t distance = edit_distance(lower(given), lower(candidate));
    // A third of the letters may be wrong, and one always (but not the only one there is).
    const size_t length = std::max(given.size(), candidate.size());
    if (distance > std::max<size_t>(1, length / 3) || distance >= length) continue;
    if (!best || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace tacet
