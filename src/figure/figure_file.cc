// See figure_file.h.
#include "figure/figure_file.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "recipe/recipe_file.h"
#include "recipe/sweep_table.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kFigureKinds = {"curves", "final", "bars", "speed-up", "histogram"};
const std::vector<std::string> kFigureAxes = {"epoch", "iterations", "rounds", "seconds", "bytes", "tokens"};
const std::vector<std::string> kKeys = {"title", "caption",   "kind",   "x",       "y",       "log",    "target",
                                        "seeds", "parameter", "values", "x_label", "y_label", "recipe", "set",
                                        "grid",  "tune",      "best",   "also",    "over"};
const std::vector<std::string> kCurveKeys = {"set", "grid", "recipe", "runs"};
// The keys of a figure that its curves have too, whether a curve has taken them, and whether the figure has `best`.
struct FigureDefaults {
  std::string recipe;
  std::vector<std::string> sets, grids;
  bool recipe_used = false, grids_used = false;
  bool has_best = false;
};

std::string list_of(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

[[noreturn]] void refuse(const Given& given, const std::string& allowed) {
  throw UserError(given.at + " must be " + allowed + ", got " + describe_given(given));
}

std::string text_of(const Given& given) {
  if (const auto* text = given.value ? std::get_if<std::string>(&*given.value) : nullptr) return *text;
  refuse(given, "a string");
}

std::string one_of(const Given& given, const std::vector<std::string>& allowed) {
  const std::string text = text_of(given);
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) refuse(given, "one of " + list_of(allowed));
  return text;
}

std::vector<std::string> texts_of(const Given& given) {
  std::vector<std::string> out;
  for (const Value& value : given.list) {
    const auto* text = std::get_if<std::string>(&value);
    if (!text) refuse(given, "a list of strings");
    out.push_back(*text);
  }
  if (out.empty()) refuse(given, "a list of strings");
  return out;
}

std::vector<std::string> axes_of(const Given& given) {
  const std::vector<std::string> axes = texts_of(given);
  for (const std::string& axis : axes)
    if (std::find(kFigureAxes.begin(), kFigureAxes.end(), axis) == kFigureAxes.end())
      throw UserError(given.at + " must have only " + list_of(kFigureAxes) + ", got " + describe_given(Value(axis)));
  return axes;
}

double number_of(const Given& given) {
  const std::optional<double> number = given.value ? as_number(*given.value) : std::nullopt;
  if (!number) refuse(given, "a number");
  return *number;
}

void require_known(const Given& given, const std::string& key, const std::vector<std::string>& keys) {
  if (std::find(keys.begin(), keys.end(), key) != keys.end()) return;
  const auto near = nearest(key, keys);
  throw UserError(given.at + " is no key of a figure; " +
                  (near ? "did you mean " + *near + "?" : "its keys are " + list_of(keys)));
}

std::string beside(const std::string& source, const std::string& path) {
  if (fs::path(path).is_absolute()) return path;
  return (fs::path(source).parent_path() / path).lexically_normal().string();
}

std::vector<Value> values_of(const Given& given) {
  if (given.list.empty()) refuse(given, "a list of values");
  for (auto value = given.list.begin(); value != given.list.end(); ++value)
    if (std::find(given.list.begin(), value, *value) != value)
      throw UserError(given.at + " must have each value once, got " + describe_given(*value) + " twice");
  return given.list;
}

void read_key(Figure& figure, FigureDefaults& defaults, const std::string& key, const Given& given) {
  require_known(given, key, kKeys);
  if (key == "title") figure.title = text_of(given);
  if (key == "caption") figure.caption = text_of(given);
  if (key == "kind") figure.kind = one_of(given, kFigureKinds);
  if (key == "x") figure.x = one_of(given, kFigureAxes);
  if (key == "y") figure.y = text_of(given);
  if (key == "also") figure.also = texts_of(given);
  if (key == "over") figure.over = axes_of(given);
  if (key == "target") figure.target = number_of(given);
  if (key == "seeds") {
    figure.seeds = text_of(given);
    (void)seeds_of(figure.seeds, given.at);  // a mistake is told with its line
  }
  if (key == "parameter") figure.parameter = text_of(given);
  if (key == "x_label") figure.x_label = text_of(given);
  if (key == "y_label") figure.y_label = text_of(given);
  if (key == "recipe") defaults.recipe = beside(figure.source, text_of(given));
  if (key == "set") defaults.sets = texts_of(given);
  if (key == "grid") defaults.grids = texts_of(given);
  if (key == "values") figure.values = values_of(given);
  if (key == "tune") figure.tunes_each = one_of(given, {"once", "each"}) == "each";
  if (key == "best") {
    figure.best = text_of(given);
    defaults.has_best = true;
    check_sweep_figure(figure.best, given.at + " ");
  }
  if (key == "log") {
    const std::string log = one_of(given, {"x", "y", "xy", "no"});
    figure.log_x = log.starts_with("x");
    figure.log_y = log.ends_with("y");
  }
}

// Returns the curve of that label, made where it is not there yet. The file's order is that of lines.
FigureCurve& curve_of(Figure& figure, const std::string& label, const Given& given) {
  for (FigureCurve& curve : figure.curves)
    if (curve.label == label) return curve;
  figure.curves.push_back({label, "", {}, {}, {}, given.at, {}});
  return figure.curves.back();
}

bool is_empty_table(const Given& given) { return !given.value && given.list.empty() && given.other == "a table"; }

// Reads one key of a curve, "label.key", or a table without keys, "label": the figure's recipe as it is.
void read_curve_key(Figure& figure, const std::string& full, const Given& given) {
  const size_t dot = full.rfind('.');
  const bool is_key =
      dot != std::string::npos && std::find(kCurveKeys.begin(), kCurveKeys.end(), full.substr(dot + 1)) != kCurveKeys.end();
  if (is_empty_table(given) && !is_key) {
    curve_of(figure, full, given);
    return;
  }
  if (dot == std::string::npos) throw UserError(given.at + " must be a table of a curve with " + list_of(kCurveKeys));
  const std::string key = full.substr(dot + 1);
  require_known(given, key, kCurveKeys);
  FigureCurve& curve = curve_of(figure, full.substr(0, dot), given);
  if (key == "set") curve.sets = texts_of(given);
  if (key == "grid") curve.grids = texts_of(given);
  if (key == "recipe") curve.recipe = beside(figure.source, text_of(given));
  if (key == "runs")
    for (const std::string& run : texts_of(given)) curve.runs.push_back(beside(figure.source, run));
}

std::vector<std::pair<std::string, Given>> by_line(const GivenTable& table) {
  std::vector<std::pair<std::string, Given>> out(table.keys.begin(), table.keys.end());
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second.line < b.second.line; });
  return out;
}

// Gives a curve that is run the figure's keys which it has not itself.
void complete(FigureCurve& curve, FigureDefaults& defaults, bool with_parameter) {
  if (!curve.runs.empty()) {
    if (!curve.recipe.empty() || !curve.sets.empty() || !curve.grids.empty() || with_parameter)
      throw UserError(curve.place +
                      ": runs must stand alone: they are there already, and have no recipe, set, grid or parameter");
    return;
  }
  if (curve.recipe.empty()) {
    curve.recipe = defaults.recipe;
    defaults.recipe_used = true;
  }
  if (curve.recipe.empty())
    throw UserError(curve.place + ": the curve must have a recipe, figure.recipe or its own, or runs, got nothing");
  curve.sets.insert(curve.sets.begin(), defaults.sets.begin(), defaults.sets.end());
  curve.shared_sets = defaults.sets.size();
  if (curve.grids.empty()) {
    curve.grids = defaults.grids;
    defaults.grids_used = true;
  }
}

// Throws UserError for a key of the figure that is for runs to be made, where all runs are there.
void require_runs_to_make(const Figure& figure, const FigureDefaults& defaults) {
  if (std::any_of(figure.curves.begin(), figure.curves.end(), [](const FigureCurve& c) { return c.runs.empty(); })) return;
  const std::pair<const char*, bool> given[] = {{"recipe", !defaults.recipe.empty()},
                                                {"set", !defaults.sets.empty()},
                                                {"grid", !defaults.grids.empty()},
                                                {"seeds", !figure.seeds.empty()}};
  for (const auto& [key, is_given] : given)
    if (is_given)
      throw UserError(figure.source + ": figure." + key +
                      " is used with curves that are run only, and all of them have runs");
}

// Throws UserError for a key of the figure that no curve has taken, as each that is run has its own.
void require_used(const Figure& figure, const FigureDefaults& defaults) {
  const auto refuse_key = [&](const std::string& key) {
    throw UserError(figure.source + ": figure." + key + " is used with curves that have no " + key +
                    " of their own only, and all that are run have one");
  };
  if (!defaults.recipe.empty() && !defaults.recipe_used) refuse_key("recipe");
  if (!defaults.grids.empty() && !defaults.grids_used) refuse_key("grid");
}

void check_figure(Figure& figure, FigureDefaults& defaults) {
  const auto wrong = [&](const std::string& text) { throw UserError(figure.source + ": " + text); };
  if (figure.curves.empty()) wrong("a figure must have curves, [curves.LABEL], got none");
  const bool with_parameter = figure.kind == "final" || figure.kind == "speed-up";
  if (with_parameter && (figure.parameter.empty() || figure.values.empty()))
    wrong("figure.parameter and figure.values must be given with kind = \"" + figure.kind + "\"");
  for (const Value& value : figure.values) {
    const std::optional<double> number = as_number(value);
    if (!number) wrong("figure.values must be numbers, got " + describe_given(value));
    if (figure.log_x && *number <= 0) wrong("figure.values must be > 0 on a log axis, got " + describe_given(value));
  }
  if (!with_parameter && (!figure.parameter.empty() || !figure.values.empty()))
    wrong("figure.parameter and figure.values are used with kind = \"final\" or \"speed-up\" only");
  if ((figure.kind == "bars" || figure.kind == "speed-up") && !figure.target)
    wrong("figure.target must be given with kind = \"" + figure.kind + "\"");
  if (!figure.also.empty() && figure.target && figure.kind != "curves")
    wrong("figure.also is not used with a target, which is one of figure.y, but got " + list_of(figure.also));
  if (figure.tunes_each && !with_parameter)
    wrong("figure.tune = \"each\" is used with kind = \"final\" or \"speed-up\" only");
  if (!figure.over.empty() && figure.kind != "curves") wrong("figure.over is used with kind = \"curves\" only");
  if ((figure.log_x || figure.log_y) && figure.kind == "bars")
    wrong("figure.log is not used with kind = \"bars\", whose bars begin at 0");
  if (figure.target && (figure.kind == "histogram" || figure.kind == "final"))
    wrong("figure.target is used with kind = \"curves\", \"bars\" or \"speed-up\" only");
  require_runs_to_make(figure, defaults);
  for (FigureCurve& curve : figure.curves) complete(curve, defaults, with_parameter);
  require_used(figure, defaults);
  const auto tuned = [](const FigureCurve& curve) { return !curve.grids.empty(); };
  if (figure.tunes_each && std::none_of(figure.curves.begin(), figure.curves.end(), tuned))
    wrong("figure.tune = \"each\" is used with a grid only");
  if (defaults.has_best && std::none_of(figure.curves.begin(), figure.curves.end(), tuned))
    wrong("figure.best is used with a grid only");
}

}  // namespace

std::optional<double> as_number(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  return {};
}

Figure read_figure(const std::string& path) {
  const RecipeLayers layers = read_layers(read_recipe_file(path, path + ":"), path, {});
  if (!layers.complaints.empty()) throw UserError(layers.complaints.front().text);
  const RecipeLayer& file = layers.layers.back();
  for (const auto& [key, given] : file.strays) throw UserError(given.at + " must be in a table, [figure] or [curves.LABEL]");
  Figure figure;
  figure.source = path;
  FigureDefaults defaults;
  for (const auto& [name, table] : file.tables) {
    if (name != "figure" && name != "curves")
      throw UserError(path + ":" + std::to_string(table.line) + ": " + show_key(name) +
                      " is not a table of a figure; the tables are [figure] and [curves.LABEL]");
    for (const auto& [key, given] : by_line(table))
      if (name == "figure")
        read_key(figure, defaults, key, given);
      else
        read_curve_key(figure, key, given);
  }
  check_figure(figure, defaults);
  return figure;
}

Figure with_key(Figure figure, const std::string& key) {
  figure.y = key;
  figure.y_label.clear();
  figure.log_y = false;
  figure.target.reset();
  return figure;
}

Figure with_axis(Figure figure, const std::string& axis) {
  figure.x = axis;
  figure.x_label.clear();
  figure.log_x = false;
  return figure;
}

std::string find_figure(const std::string& name) {
  std::error_code error;
  if (fs::is_regular_file(name, error)) return name;
  std::vector<std::string> names;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  for (const fs::path& folder :
       {fs::path("recipes/figures"), program.parent_path().parent_path() / "share/tacet/recipes/figures"}) {
    if (fs::is_regular_file(folder / (name + ".toml"), error)) return (folder / (name + ".toml")).string();
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  const auto near = nearest(name, names);
  throw UserError("a figure must be a file, or " +
                  (names.empty() ? "a name in recipes/figures" : "one of " + list_of(names)) + ", got " +
                  describe_given(Value(name)) + (near ? "; did you mean " + *near + "?" : ""));
}

}  // namespace tacet
