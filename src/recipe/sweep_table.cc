// Implements sweep_table.h.
#include "recipe/sweep_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>

#include "base/digest.h"
#include "recipe/tables.h"
#include "tacet/error.h"
#include "tacet/random.h"

namespace tacet {
namespace {

constexpr int64_t kMostValues = 10000;  // the longest axis

// A mistake in one entry: the text behind its place.
struct SweepMistake {
  std::string text;
};

[[noreturn]] void wrong(const std::string& text) { throw SweepMistake{text}; }

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

template <class Number>
std::optional<Number> parsed(std::string_view text) {
  Number value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return {};
  return value;
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> out(1);
  for (const char c : text)
    if (c == by)
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

// A range of values: "1e-4..1:log:5".
struct SweepRange {
  double from = 0, to = 0;
  bool log = false, random = false;
  int64_t count = 0;
};

SweepRange range_of(const std::string& text) {
  const std::string allowed = "must be a list, or a range FROM..TO:N with log:, random: or log-random: before N, got ";
  const std::vector<std::string> parts = split(text, ':');
  const size_t dots = parts[0].find("..");
  if (dots == std::string::npos || parts.size() < 2 || parts.size() > 3) wrong(allowed + describe_given(Value(text)));
  const std::string kind = parts.size() == 3 ? parts[1] : "";
  const auto from = parsed<double>(std::string_view(parts[0]).substr(0, dots));
  const auto to = parsed<double>(std::string_view(parts[0]).substr(dots + 2));
  const auto count = parsed<int64_t>(parts.back());
  if (!from || !to || !count || !std::isfinite(*from) || !std::isfinite(*to) ||
      (!kind.empty() && kind != "log" && kind != "random" && kind != "log-random"))
    wrong(allowed + describe_given(Value(text)));
  const SweepRange range{*from, *to, kind.starts_with("log"), kind.ends_with("random"), *count};
  if (range.count < (range.random ? 1 : 2) || range.count > kMostValues)
    wrong("must have from " + std::string(range.random ? "1" : "2") + " to " + std::to_string(kMostValues) +
          " values, got " + std::to_string(range.count));
  if (!(range.from < range.to)) wrong("must be a range that begins below its end, got " + describe_given(Value(text)));
  if (range.log && range.from <= 0) wrong("must begin above 0 where it is a log range, got " + describe_given(Value(text)));
  return range;
}

// Returns the value with so many significant digits, so that names of folders are short and machines agree.
double rounded(double value, int digits) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific, digits - 1);
  return std::strtod(std::string(text, end.ptr).c_str(), nullptr);
}

// Returns a number of [0, 1) that is a function of seed, key and index alone, so another axis changes no draw of this one.
double drawn(int64_t seed, const std::string& key, uint32_t index) {
  Digest digest;
  digest.add(key);
  const auto mark = static_cast<uint32_t>(std::stoul(digest.hex().substr(0, 8), nullptr, 16));
  const auto words = static_cast<uint64_t>(seed);
  const auto block = philox({index, 0, 0, 0}, {static_cast<uint32_t>(words ^ (words >> 32)), mark});
  return static_cast<double>(block[0]) * 0x1p-32;
}

std::vector<Value> values_in(const SweepRange& range, const std::string& key, bool whole, int64_t seed) {
  std::vector<Value> out;
  for (int64_t k = 0; k < range.count; ++k) {
    const double share = range.random ? drawn(seed, key, static_cast<uint32_t>(k))
                                      : static_cast<double>(k) / static_cast<double>(range.count - 1);
    const double value =
        range.log ? range.from * std::pow(range.to / range.from, share) : range.from + share * (range.to - range.from);
    if (whole)
      out.emplace_back(static_cast<int64_t>(std::llround(value)));
    else
      out.emplace_back(rounded(value, range.random ? 4 : 6));
  }
  return out;
}

// Knows the keys that an axis may have.
class SweepReader {
 public:
  SweepReader(const std::vector<SweepEntry>& entries, const Recipe& recipe) : recipe_(recipe) {
    for (const SweepEntry& entry : entries)
      if (entry.key.ends_with(".name"))
        for (const Value& value : entry.given.list)
          if (const auto* name = std::get_if<std::string>(&value)) names_[entry.key].push_back(*name);
  }

  SweepAxis axis(const SweepEntry& entry, int64_t random_seed) const {
    SweepAxis out;
    out.key = entry.key;
    const std::string first = entry.key.substr(0, entry.key.find('.'));
    if (is_method(first) && first != entry.key) {
      out.method = first;
      out.key = entry.key.substr(first.size() + 1);
    }
    const Option option = option_of(out);
    if (option.path != Path::no) wrong("can't be an axis: it is a path");
    read_values(out, option, entry.given, random_seed);
    return out;
  }

 private:
  bool is_method(const std::string& name) const {
    return std::any_of(tables_.begin(), tables_.end(), [&](const RecipeTable& table) {
      return table.name == "algorithm" && options_of(table, name) != nullptr;
    });
  }

  // Returns the names of the table's entries that runs of the sweep have.
  std::vector<std::string> entries_of(const RecipeTable& table, const std::string& method) const {
    if (table.name == "algorithm" && !method.empty()) return {method};
    std::vector<std::string> out;
    const Values& values = recipe_.*table.values;
    if (values.has("name")) out.push_back(values.text("name"));
    if (const auto more = names_.find(table.name + ".name"); more != names_.end())
      out.insert(out.end(), more->second.begin(), more->second.end());
    return out;
  }

  Option option_of(const SweepAxis& axis) const {
    const size_t dot = axis.key.find('.');
    const std::string name = axis.key.substr(0, dot);
    const std::string key = dot == std::string::npos ? "" : axis.key.substr(dot + 1);
    if (axis.key == "run.seed") wrong("can't be an axis: give the seeds with seeds = \"1..3\" or --seeds 1..3");
    for (const RecipeTable& table : tables_) {
      if (table.name != name || key.empty()) continue;
      if (!table.fixed && key == "name") return name_option(table, axis.method);
      for (const std::string& entry : table.fixed ? std::vector<std::string>{""} : entries_of(table, axis.method))
        if (const auto* options = options_of(table, entry))
          if (const Option* option = find_option(*options, key)) return *option;
      wrong("is no key of " + where(table, axis.method) + advice(table, key, axis.method));
    }
    wrong("must be best, seeds, random_seed, or a key of a run such as algorithm.eta, with a method before it or not");
  }

  std::string where(const RecipeTable& table, const std::string& method) const {
    return table.fixed ? "[" + table.name + "]" : joined(entries_of(table, method));
  }

  std::string advice(const RecipeTable& table, const std::string& key, const std::string& method) const {
    std::vector<std::string> keys;
    for (const std::string& entry : table.fixed ? std::vector<std::string>{""} : entries_of(table, method))
      if (const auto* options = options_of(table, entry))
        for (const Option& option : *options) keys.push_back(option.name);
    const auto near = nearest(key, keys);
    return near ? "; did you mean " + table.name + "." + *near + "?" : "; its keys are " + joined(keys);
  }

  static Option name_option(const RecipeTable& table, const std::string& method) {
    if (!method.empty()) wrong("can't be an axis of a method");
    Option option;
    option.name = "name";
    option.kind = Kind::text;
    for (const Named& entry : table.entries) option.one_of.push_back(entry.name);
    return option;
  }

  void read_values(SweepAxis& axis, const Option& option, const Given& given, int64_t random_seed) const {
    const auto* text = given.value ? std::get_if<std::string>(&*given.value) : nullptr;
    if (text && (option.kind == Kind::number || option.kind == Kind::integer)) {
      const SweepRange range = range_of(*text);
      axis.random = range.random;
      axis.values = values_in(range, axis.key, option.kind == Kind::integer, random_seed);
    } else if (given.list.empty()) {
      wrong("must be a list of values, got " + empty_or(given));
    } else {
      axis.values = given.list;
    }
    for (Value& value : axis.values) {
      if (const auto* whole = std::get_if<int64_t>(&value); whole && option.kind == Kind::number)
        value = static_cast<double>(*whole);
      if (const auto text_of = complaint(option, value)) wrong(*text_of);
    }
    if (axis.random) return;
    for (size_t k = 0; k < axis.values.size(); ++k)
      if (std::find(axis.values.begin(), axis.values.begin() + static_cast<std::ptrdiff_t>(k), axis.values[k]) !=
          axis.values.begin() + static_cast<std::ptrdiff_t>(k))
        wrong("must have each value once, got " + describe_given(axis.values[k]) + " twice");
  }

  static std::string empty_or(const Given& given) {
    const auto* numbers = given.value ? std::get_if<Numbers>(&*given.value) : nullptr;
    return numbers && numbers->empty() ? "an empty list" : describe_given(given);
  }

  const Recipe& recipe_;
  const std::vector<RecipeTable> tables_ = tables();
  std::map<std::string, std::vector<std::string>> names_;  // values of the axis "algorithm.name"
};

int64_t seed_of(const Value& value) {
  const auto* whole = std::get_if<int64_t>(&value);
  const Option& option = *find_option(run_options(), "seed");
  if (const auto text = complaint(option, value)) wrong(*text);
  return *whole;
}

std::vector<int64_t> seeds_of(const Given& given) {
  std::vector<int64_t> out;
  const auto* text = given.value ? std::get_if<std::string>(&*given.value) : nullptr;
  if (text) {
    const size_t dots = text->find("..");
    const auto from = parsed<int64_t>(std::string_view(*text).substr(0, dots));
    const auto to = dots == std::string::npos ? from : parsed<int64_t>(std::string_view(*text).substr(dots + 2));
    if (!from || !to || *from > *to || *to - *from >= kMostValues)
      wrong("must be a list of seeds, or a range such as 1..3, got " + describe_given(Value(*text)));
    for (int64_t seed = *from; seed <= *to; ++seed) out.push_back(seed_of(Value(seed)));
    return out;
  }
  if (given.list.empty()) wrong("must be a list of seeds, or a range such as \"1..3\", got " + describe_given(given));
  for (const Value& value : given.list) {
    const int64_t seed = seed_of(value);
    if (std::count(out.begin(), out.end(), seed) > 0)
      wrong("must have each seed once, got " + std::to_string(seed) + " twice");
    out.push_back(seed);
  }
  return out;
}

// Throws a mistake where random axes have different lengths: they vary together.
void check_random(const std::vector<SweepAxis>& axes, const SweepAxis& axis) {
  for (const SweepAxis& other : axes)
    if (axis.random && other.random && other.values.size() != axis.values.size())
      wrong("must have as many random values as " + other.key + ", with which it varies (" +
            std::to_string(other.values.size()) + "), got " + std::to_string(axis.values.size()));
}

void read_entry(SweepTable& table, const SweepReader& reader, const SweepEntry& entry) {
  const auto* text = entry.given.value ? std::get_if<std::string>(&*entry.given.value) : nullptr;
  if (entry.key == "best") {
    if (!text) wrong("must be a string, got " + describe_given(entry.given));
    check_sweep_figure(*text, "");
    table.best = *text;
  } else if (entry.key == "seeds") {
    table.seeds = seeds_of(entry.given);
  } else if (entry.key != "random_seed") {
    const SweepAxis axis = reader.axis(entry, table.random_seed);
    check_random(table.axes, axis);
    table.axes.push_back(axis);
  }
}

}  // namespace

SweepTable read_sweep_table(std::vector<SweepEntry> entries, const Recipe& recipe, const SweepComplaint& complain) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const SweepEntry& a, const SweepEntry& b) { return a.given.line < b.given.line; });
  SweepTable table;
  const SweepReader reader(entries, recipe);
  for (const SweepEntry& entry : entries) {
    if (entry.key != "random_seed") continue;
    const auto* whole = entry.given.value ? std::get_if<int64_t>(&*entry.given.value) : nullptr;
    if (whole && *whole >= 0)
      table.random_seed = *whole;
    else
      complain(entry, "must be an integer >= 0, got " + describe_given(entry.given));
  }
  for (const SweepEntry& entry : entries) {
    try {
      read_entry(table, reader, entry);
    } catch (const SweepMistake& mistake) {
      complain(entry, mistake.text);
    } catch (const UserError& error) {
      complain(entry, error.what());
    }
  }
  return table;
}

SweepTable read_sweep(RecipeLayers& input, const Recipe& recipe) {
  std::vector<SweepEntry> entries;
  std::map<std::string, size_t> layer_of;
  for (size_t k = 0; k < input.layers.size(); ++k) {
    const auto given = input.layers[k].tables.find("sweep");
    if (given == input.layers[k].tables.end()) continue;
    for (const auto& [key, value] : given->second.keys)
      if (layer_of.emplace(key, k).second) entries.push_back({key, value});
  }
  return read_sweep_table(entries, recipe, [&](const SweepEntry& entry, const std::string& text) {
    input.complaints.push_back({layer_of.at(entry.key), entry.given.line, entry.given.at + " " + text});
  });
}

std::vector<SweepAxis> axes_of_grids(const Recipe& recipe, const std::vector<std::string>& grids, int64_t random_seed) {
  std::vector<SweepEntry> entries;
  for (const std::string& grid : grids) {
    const size_t equals = grid.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UserError("--grid must be table.key=a,b,c or table.key=FROM..TO:N, got " + describe_given(Value(grid)));
    const std::string key = grid.substr(0, equals), at = "--grid " + key + ":";
    for (const SweepEntry& entry : entries)
      if (entry.key == key) throw UserError(at + " must be given once, got it twice");
    if (key.find('.') == std::string::npos) throw UserError(at + " must be table.key, as in algorithm.eta");
    entries.push_back({key, given_list(grid.substr(equals + 1), at)});
    entries.back().given.line = static_cast<int>(entries.size());
  }
  Given seed;
  seed.value = random_seed;
  entries.push_back({"random_seed", seed});
  const auto complain = [](const SweepEntry& entry, const std::string& text) {
    throw UserError(entry.given.at + " " + text);
  };
  return read_sweep_table(entries, recipe, complain).axes;
}

std::vector<int64_t> seeds_of(const std::string& text, const std::string& what) {
  try {
    const Given given = text.find("..") == std::string::npos ? given_list(text, what) : Given{Value(text), ""};
    return seeds_of(given);
  } catch (const SweepMistake& mistake) {
    throw UserError(what + " " + mistake.text);
  }
}

const std::vector<std::string>& sweep_figures() {
  static const std::vector<std::string> figures = {
      "train_loss",    "eval_loss",          "eval_perplexity", "eval_accuracy",  "eval_top5_accuracy",
      "eval_bleu",     "eval_gradient_norm", "eval_distance",   "test_loss",      "test_perplexity",
      "test_accuracy", "test_top5_accuracy", "test_bleu",       "train_set_loss", "train_set_accuracy"};
  return figures;
}

void check_sweep_figure(const std::string& figure, const std::string& at) {
  const std::string name = figure.starts_with("best.") ? figure.substr(5) : figure;
  const auto& all = sweep_figures();
  if (std::find(all.begin(), all.end(), name) != all.end()) return;
  const auto near = nearest(name, all);
  throw UserError(at + "must be one of " + joined(all) + ", or one of them behind \"best.\", got " +
                  describe_given(Value(figure)) + (near ? "; did you mean " + *near + "?" : ""));
}

}  // namespace tacet
