// See plan.h.
#include "sweep/plan.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/digest.h"
#include "recipe/run_identity.h"
#include "recipe/sweep_table.h"
#include "recipe/used_values.h"
#include "tacet/error.h"

namespace tacet {
namespace {

constexpr size_t kMostPoints = 10000;
constexpr size_t kLongestName = 100;
constexpr size_t kDigits = 12;

using Settings = std::vector<Setting>;

bool per_machine(const Used& used) { return used.option && used.option->per_machine; }

// Returns true for a value that the run would have without being told. Such values are in no digest, so that an option which
// a later version adds leaves the names of points as they are.
bool at_default(const Used& used) {
  return used.option && used.option->fallback && to_toml(*used.option->fallback) == to_toml(used.value);
}

std::string key_of(const Used& used) { return used.table + "." + used.key; }

// Returns the method of a run with these settings.
std::string method_of(const Settings& settings, const Recipe& base) {
  for (const Setting& setting : settings)
    if (setting.key == "algorithm.name") return setting.value.substr(1, setting.value.size() - 2);
  return base.algorithm.text("name");
}

// Axes that vary together: one, or all random ones.
using Dimension = std::vector<const SweepAxis*>;

// Returns the dimensions of a grid. Axes of one method come last, when the method of a run is known.
std::vector<Dimension> dimensions(const std::vector<SweepAxis>& axes) {
  std::vector<Dimension> out;
  Dimension random;
  for (const bool of_method : {false, true})
    for (const SweepAxis& axis : axes) {
      if (axis.method.empty() == of_method) continue;
      if (axis.random)
        random.push_back(&axis);
      else
        out.push_back({&axis});
    }
  if (!random.empty()) out.push_back(random);
  return out;
}

void require_few(size_t points) {
  if (points > kMostPoints)
    throw UserError("a sweep must have at most " + std::to_string(kMostPoints) + " points, got more; give fewer values");
}

std::vector<Settings> product(const SweptRecipe& base) {
  std::vector<Settings> out(1);
  for (const Dimension& dimension : dimensions(base.sweep.axes)) {
    std::vector<Settings> next;
    for (const Settings& settings : out) {
      const std::string method = method_of(settings, base.recipe);
      Dimension used = dimension;
      std::erase_if(used, [&](const SweepAxis* axis) { return !axis->method.empty() && axis->method != method; });
      const size_t count = used.empty() ? 1 : used.front()->values.size();
      require_few(next.size() + count);
      for (size_t k = 0; k < count; ++k) {
        next.push_back(settings);
        for (const SweepAxis* axis : used) next.back().push_back({axis->key, to_toml(axis->values[k])});
      }
    }
    out = std::move(next);
  }
  return out;
}

// Returns a value for the name of a folder: letters, digits and a few marks.
std::string plain_text(const std::string& value) {
  std::string out;
  for (const char c : value) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                       c == '+' || c == '_';
    if (plain)
      out += c;
    else if (c != '"' && !out.empty() && out.back() != '_')
      out += '_';
  }
  return out;
}

// Returns the key's last part where no other setting has it, or the whole key.
std::string short_key(const Settings& settings, const std::string& key) {
  const auto last = [](const std::string& text) { return text.substr(text.rfind('.') + 1); };
  const auto alike =
      std::count_if(settings.begin(), settings.end(), [&](const Setting& s) { return last(s.key) == last(key); });
  if (alike > 1) return key;
  return last(key) == "name" ? key.substr(0, key.find('.')) : last(key);
}

std::string readable_name(const Settings& settings, const std::string& otherwise) {
  std::string out;
  for (const Setting& setting : settings)
    out += (out.empty() ? "" : ",") + short_key(settings, setting.key) + "=" + plain_text(setting.value);
  if (out.empty()) out = plain_text(otherwise);
  return out.substr(0, kLongestName);
}

std::string digest_of(const Recipe& recipe, const Settings& settings) {
  Digest digest;
  for (const Used& used : used_values(recipe)) {
    const auto own = [&](const Setting& setting) { return setting.key == key_of(used); };
    if (at_default(used)) continue;
    const auto identity = identity_of(used, recipe);
    if (!identity && std::none_of(settings.begin(), settings.end(), own)) continue;
    digest.add(key_of(used) + " = " + identity.value_or(to_toml(used.value)) + "\n");
  }
  return digest.hex().substr(0, kDigits);
}

double end_of(const Recipe& recipe, const std::string& key) {
  if (!recipe.schedule.has(key)) return 0;
  return key == "epochs" ? recipe.schedule.number(key) : static_cast<double>(recipe.schedule.integer(key));
}

std::vector<std::string> with_settings(std::vector<std::string> sets, const Settings& settings) {
  for (const Setting& setting : settings) sets.push_back(setting.key + "=" + setting.value);
  return sets;
}

// Returns the point of some settings. Throws UserError that names it where it is no run.
Point load_point(const SweepRequest& request, const Settings& settings) {
  try {
    const Recipe recipe = load_recipe(request.recipe, with_settings(request.sets, settings));
    return point_of(recipe, request.workers, settings, std::filesystem::path(request.recipe).stem().string());
  } catch (const UserError& error) {
    std::string name;
    for (const Setting& setting : settings) name += (name.empty() ? "" : " ") + setting.key + "=" + setting.value;
    throw UserError("the point " + name + " is no run: " + error.what());
  }
}

void add_points(SweepPlan& plan, const SweepRequest& request, const SweptRecipe& base) {
  std::vector<int64_t> seeds = base.sweep.seeds;
  const bool own_seed = seeds.empty();
  if (own_seed) seeds = {base.recipe.run.integer("seed")};
  const std::vector<Settings> all = product(base);
  require_few(all.size() * seeds.size());
  std::set<std::string> known;
  for (const Settings& settings : all)
    for (const int64_t seed : seeds) {
      Settings whole = settings;
      if (!own_seed) whole.push_back({"run.seed", std::to_string(seed)});
      Point point = load_point(request, whole);
      if (known.insert(point.digest).second) plan.points.push_back(std::move(point));
    }
  if (const size_t twice = all.size() * seeds.size() - plan.points.size())
    plan.notes.push_back(std::to_string(twice) + " points are the same runs as others and are run once");
}

// Tells of axes that no run of the sweep has.
void note_unused(SweepPlan& plan, const SweptRecipe& base) {
  for (const SweepAxis& axis : base.sweep.axes) {
    const bool used = std::any_of(plan.points.begin(), plan.points.end(), [&](const Point& point) {
      return std::any_of(point.settings.begin(), point.settings.end(), [&](const Setting& s) { return s.key == axis.key; });
    });
    if (!used)
      plan.notes.push_back("the axis " + axis.key + " is for " + axis.method + " only, which no run of this sweep is");
  }
}

void add_axis(std::vector<std::string>& axes, const std::string& key) {
  if (std::find(axes.begin(), axes.end(), key) == axes.end()) axes.push_back(key);
}

// Returns the key of a set, "algorithm.eta" of " algorithm.eta = 1".
std::string key_of_set(const std::string& set) {
  const std::string key = set.substr(0, set.find('='));
  const size_t first = key.find_first_not_of(" \t"), last = key.find_last_not_of(" \t");
  return first == std::string::npos ? "" : key.substr(first, last - first + 1);
}

// Returns true where the recipe can't be read without the set.
bool is_needed(const SweepRequest& request, const std::string& set) {
  std::vector<std::string> others = request.sets;
  std::erase(others, set);
  try {
    (void)load_recipe(request.recipe, others);
    return false;
  } catch (const UserError&) {
    return true;
  }
}

}  // namespace

std::string Point::group() const {
  std::string out;
  for (const Setting& setting : settings)
    if (setting.key != "run.seed") out += (out.empty() ? "" : " ") + setting.key + "=" + setting.value;
  return out;
}

std::map<std::string, std::string> shared_values(const Recipe& recipe) {
  std::map<std::string, std::string> out;
  for (const Used& used : used_values(recipe))
    if (!per_machine(used)) out[key_of(used)] = to_toml(used.value);
  return out;
}

Point point_of(const Recipe& given, int workers, Settings settings, const std::string& name) {
  const Recipe recipe = with_clients(given, workers);
  Point point;
  point.seed = recipe.run.integer("seed");
  point.digest = digest_of(recipe, settings);
  point.name = readable_name(settings, name) + "-" + point.digest;
  point.recipe = to_toml(recipe);
  point.epochs = end_of(recipe, "epochs");
  point.rounds = end_of(recipe, "rounds");
  point.iterations = end_of(recipe, "iterations");
  point.threads = static_cast<int>(recipe.run.integer("threads"));
  point.settings = std::move(settings);
  return point;
}

void require_sets_used(const SweepRequest& request, const SweepPlan& plan, std::span<const std::string> sets) {
  for (const std::string& set : sets) {
    const std::string key = key_of_set(set);
    const bool of_seeds = key == "run.seed";
    if (of_seeds && request.of_figure) continue;  // a figure without seeds has taken it
    const bool replaced = std::all_of(plan.points.begin(), plan.points.end(), [&](const Point& point) {
      return std::any_of(point.settings.begin(), point.settings.end(), [&](const Setting& s) { return s.key == key; });
    });
    if (!replaced || is_needed(request, set)) continue;
    const bool of_recipe = of_seeds ? request.seeds.empty() : request.grids.empty();
    const std::string other = of_recipe ? "the recipe's [sweep]" : of_seeds ? "--seeds" : "--grid";
    throw UserError("--set " + key + ": must be given once, got it in " + other + " too");
  }
}

SweepPlan plan_sweep(const SweepRequest& request) {
  std::vector<std::string> sets = request.sets;
  if (request.random_seed) sets.push_back("sweep.random_seed=" + std::to_string(*request.random_seed));
  SweptRecipe base = load_swept_recipe(request.recipe, sets);
  SweepPlan plan;
  if (!request.grids.empty()) {
    if (!base.sweep.axes.empty() && !request.of_figure)
      plan.notes.push_back("--grid stands in the place of the axes of the recipe's [sweep]");
    base.sweep.axes = axes_of_grids(base.recipe, request.grids, base.sweep.random_seed);
  }
  if (!request.seeds.empty()) base.sweep.seeds = seeds_of(request.seeds);
  if (!request.best.empty()) check_sweep_figure(request.best, "--key ");
  if (base.sweep.axes.empty() && base.sweep.seeds.empty())
    throw UserError(request.recipe +
                    ": a sweep must have values to vary: give --grid, --seeds or a table [sweep], got none");
  plan.recipe = request.recipe;
  plan.best = request.best.empty() ? base.sweep.best : request.best;
  add_points(plan, request, base);
  if (!request.of_figure) require_sets_used(request, plan, request.sets);
  note_unused(plan, base);
  for (const Point& point : plan.points)
    for (const Setting& setting : point.settings)
      if (setting.key != "run.seed") add_axis(plan.axes, setting.key);
  for (const Used& used : used_values(base.recipe))
    if (const auto identity = identity_of(used, base.recipe); identity && !at_default(used))
      plan.base[key_of(used)] = *identity;
  return plan;
}

}  // namespace tacet
