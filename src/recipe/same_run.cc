// Implements same_run.h.
#include "recipe/same_run.h"

#include <algorithm>
#include <map>

#include "recipe/tables.h"
#include "tacet/error.h"

namespace tacet {
namespace {

bool may_change(const Used& used, const View& now) {
  if (!used.option || !used.option->free_on_resume) return false;
  return std::none_of(used.option->bound_with.begin(), used.option->bound_with.end(),
                      [&](const OnlyWith& condition) { return holds(condition, used.table, now, true); });
}

}  // namespace

void require_same_run(const Recipe& before, const Recipe& now, const std::string& file) {
  struct Pair {
    std::string was = "absent", is = "absent";
  };
  const View view = view_of(now);
  std::vector<std::string> order;
  std::map<std::string, Pair> pairs;
  const auto add = [&](const Recipe& recipe, std::string Pair::*side) {
    for (const Used& used : used_values(recipe)) {
      if (may_change(used, view)) continue;
      const std::string key = used.table + "." + used.key;
      const bool was_given = pairs.count(key) != 0;
      if (side == &Pair::is && !was_given && used.option && used.option->added_later) continue;
      if (!was_given) order.push_back(key);
      pairs[key].*side = to_toml(used.value);
    }
  };
  add(before, &Pair::was);
  add(now, &Pair::is);
  for (const std::string& key : order)
    if (const auto& [was, is] = pairs.at(key); was != is)
      throw UserError("--resume: " + key + " must be as in " + file + " (" + was + "), got " + is);
}

}  // namespace tacet
