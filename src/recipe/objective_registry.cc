// The table of objectives: tacet has none of its own here, a program adds them. Making one is in src/tasks.
#include <deque>
#include <stdexcept>
#include <utility>

#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

std::deque<ObjectiveInfo>& table() {
  static std::deque<ObjectiveInfo> rows;
  return rows;
}

}  // namespace

const std::deque<ObjectiveInfo>& objectives() { return table(); }

void add_objective(ObjectiveInfo objective) {
  if (objective.name.empty()) throw std::logic_error("add_objective: the objective must have a name");
  for (const ObjectiveInfo& other : table())
    if (other.name == objective.name)
      throw std::logic_error("add_objective: \"" + objective.name + "\" is the name of an objective already");
  table().push_back(std::move(objective));
}

const ObjectiveInfo& find_objective(const std::string& name) {
  std::vector<std::string> names;
  for (const ObjectiveInfo& row : objectives()) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  const auto near = nearest(name, names);
  throw UserError("objective.name: this program has no objective \"" + name + "\"" +
                  (near ? "; did you mean \"" + *near + "\"?" : "; a program adds its own with add_objective"));
}

}  // namespace tacet
