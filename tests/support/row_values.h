// The keys of a model, a data set or a method as a recipe would give them: defaults, and what a test sets itself.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tacet/options.h"

namespace tacet::test {

using Given = std::vector<std::pair<std::string, Value>>;

// Returns the name and the defaults of the row's options, then sets `given` over them.
template <class Row>
Values row_values(const Row& row, const Given& given = {}) {
  Values values;
  values.set("name", row.name);
  for (const Option& option : row.options)
    if (option.fallback) values.set(option.name, *option.fallback);
  for (const auto& [key, value] : given) values.set(key, value);
  return values;
}

}  // namespace tacet::test
